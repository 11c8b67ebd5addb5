/* SPDX-License-Identifier: MIT */
/*
 * A directory that has another execution since it was renamed, and all below it.
 */
#ifndef FUSE_HAND_OVER_H
#define FUSE_HAND_OVER_H

#include "fuse/target.h"

/*
 * Everything below `dir`, which moved `from` one execution `to` another: sums, rows, and the inodes that the kernel
 * knows. What is looked up at this very moment finds out by itself (node_exec()). Both executions are entered.
 */
void hand_over_directory(struct fs *fs, const struct handle *dir, const struct target *from,
			 const struct target *to);

#endif
