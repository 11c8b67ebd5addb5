/* SPDX-License-Identifier: MIT */
/*
 * Writes to .baton/upgrade: answered when the guardian has decided. If it has decided for another program that one answers,
 * which the kernel sends them to again.
 */
#ifndef FUSE_VERDICT_H
#define FUSE_VERDICT_H

#include "fuse/fs.h"

/*
 * The write of n bytes in `req`, to an open with this text (0: none), has the guardian asked and waits from now on. It may have
 * asked already, a process before this one: then it has its answer at once, if there is one. 0, -ENOMEM.
 */
int verdict_await(struct fs *fs, fuse_req_t req, int text_fd, size_t n) WARN_UNUSED;

#endif
