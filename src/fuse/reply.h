/* SPDX-License-Identifier: MIT */
/*
 * Replies. The only place that turns a negative errno into the kernel's positive form. No lock is held
 * across a reply: it may be what lets the kernel forget the object whose lock the caller still has to drop.
 */
#ifndef FUSE_REPLY_H
#define FUSE_REPLY_H

#include <errno.h>

#include "exec/reaper.h"
#include "fuse/fs.h"
#include "util/lock.h"

/* 0 or a negative errno. */
static inline void reply_err(fuse_req_t req, int err)
{
	lock_assert_none();
	if (err == -ENOSPC)
		reaper_full(fs_of(req)->reaper);
	if (err < 0)
		fs_count_error(fs_of(req), err);
	(void)fuse_reply_err(req,
			     -err); /* fails only if the request was interrupted: nobody waits */
}

/* A lookup was counted for the entry; give it back if the kernel did not take it. */
static inline void reply_entry(fuse_req_t req, struct fs *fs, const struct fuse_entry_param *e)
{
	lock_assert_none();
	if (!e->ino)
		fs_err_now = -ENOENT; /* so says an entry without an inode */
	if (fuse_reply_entry(req, e) < 0 && e->ino && !(e->ino & CONTROL_NODE_BIT))
		itable_take_back(fs->itable, e->ino);
}

/* Of a directory: nothing is lost if the kernel does not take it. */
static inline void reply_opendir(fuse_req_t req, const struct fuse_file_info *fi)
{
	lock_assert_none();
	(void)fuse_reply_open(req, fi);
}

static inline void reply_attr(fuse_req_t req, const struct stat *st, double seconds)
{
	lock_assert_none();
	(void)fuse_reply_attr(req, st, seconds);
}

static inline void reply_buf(fuse_req_t req, const char *buf, size_t len)
{
	lock_assert_none();
	(void)fuse_reply_buf(req, buf, len);
}

static inline void reply_write(fuse_req_t req, size_t count)
{
	lock_assert_none();
	(void)fuse_reply_write(req, count);
}

/* For getxattr and listxattr: the size if the caller asked for it, else the bytes. */
static inline void reply_xattr(fuse_req_t req, const char *buf, size_t len, size_t wanted)
{
	lock_assert_none();
	if (wanted == 0)
		(void)fuse_reply_xattr(req, len);
	else if (len > wanted)
		reply_err(req, -ERANGE);
	else
		(void)fuse_reply_buf(req, buf, len);
}

#endif
