/* SPDX-License-Identifier: MIT */
/*
 * Who sends a request, for the record.
 */
#ifndef FUSE_CALLER_H
#define FUSE_CALLER_H

#include "fuse/fs.h"

/* Who sends the request: the process, not the thread. Reads /proc: for rare occasions. */
void caller_get(fuse_req_t req, struct ledger_owner *ret);

/* The same as the owner of what he makes: with uid= and gid= that is somebody else. */
void caller_as_maker(struct fs *fs, fuse_req_t req, struct ledger_owner *ret);

#endif
