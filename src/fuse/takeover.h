/* SPDX-License-Identifier: MIT */
/*
 * In the place of a process that has died. Before requests are served.
 */
#ifndef FUSE_TAKEOVER_H
#define FUSE_TAKEOVER_H

#include "fuse/fs.h"
#include "fuse/request.h"

/*
 * Take over the inodes that the last process left, and what it was at; `uniques` are the n requests that the kernel
 * sends again.
 */
void fs_take_over(struct fs *fs, struct requests *requests, const uint64_t *uniques, size_t n);

#endif
