/* SPDX-License-Identifier: MIT */
/*
 * Files that clients have taken all names from that they can, while others are in the trash, or go there with the execution
 * that they are in: whom they are charged to is given that back when the last one is deleted, and their space with it. Which
 * of a file's names are where nobody knows; so what has lost one, and has others, is watched (store/trash.h).
 */
#ifndef FUSE_LAST_NAME_H
#define FUSE_LAST_NAME_H

#include "fuse/victim.h"

/* A regular file of e's has lost a name, and had others when that was looked at. Whether it has none any more. */
bool last_name_was(struct fs *fs, const struct execution *e, const struct victim *v);

#endif
