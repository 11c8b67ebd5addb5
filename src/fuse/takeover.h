/* SPDX-License-Identifier: MIT */
/*
 * In the place of a process that has died. Before requests are served.
 */
#ifndef FUSE_TAKEOVER_H
#define FUSE_TAKEOVER_H

#include "fuse/fs.h"
#include "fuse/resume.h"

/* Take over the inodes that the last process left, and what it was at: *ret is what the kernel sends again. As backlog_read(). */
int fs_take_over(struct fs *fs, struct requests *requests, struct fuse_session *se,
		 struct backlog **ret) WARN_UNUSED;

#endif
