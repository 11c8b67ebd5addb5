/* SPDX-License-Identifier: MIT */
/*
 * .baton/accesslog opened and read. Its fi->fh is that of a text (op_control.c) with ACCESSLOG_FH: the descriptor of an
 * empty one is the reader's number, which so belongs to nobody else while it is open, also in the next process.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fuse/access.h"
#include "fuse/reply.h"
#include "util/cleanup.h"

int opl_open(struct fs *fs, fuse_req_t req, int fd)
{
	const struct accesslog_who who = { .number = fd,
					   .uid = fuse_req_ctx(req)->uid,
					   .tid = fuse_req_ctx(req)->pid };

	return accesslog_open(fs->accesslog, &who);
}

struct waiting {
	struct accesslog_waiter w; /* first */
	fuse_req_t req;
};

static void reply(fuse_req_t req, int err, const char *bytes, size_t len)
{
	if (err < 0)
		reply_err(req, err);
	else
		reply_buf(req, bytes, len);
}

static void done(struct accesslog_waiter *w, int err, const char *bytes, size_t len)
{
	_cleanup_free_ struct waiting *waiting = (struct waiting *)w;

	fuse_req_interrupt_func(waiting->req, NULL, NULL); /* nor is it being called now */
	fs_op_now = FS_OP_read;				   /* in the log's thread */
	reply(waiting->req, err, bytes, len);
}

static void interrupt(fuse_req_t req, void *arg)
{
	struct waiting *waiting = arg;

	accesslog_interrupt(fs_of(req)->accesslog, &waiting->w);
}

void opl_read(fuse_req_t req, int fd, size_t size, const struct fuse_file_info *fi)
{
	const struct accesslog_who who = { .number = fd,
					   .uid = (uid_t)(fi->fh >> 32),
					   .tid = fuse_req_ctx(req)->pid };
	_cleanup_free_ char *buf = NULL;
	struct waiting *waiting = NULL;
	ssize_t n;

	access_silent(); /* no line about the reading of lines */
	size = MIN_OF(size, ACCESSLOG_READ_MAX);
	buf = malloc(size + 1);
	if (!(fi->flags & O_NONBLOCK))
		waiting = calloc(1, sizeof(*waiting));
	if (!buf || (!(fi->flags & O_NONBLOCK) && !waiting)) {
		free(waiting);
		reply_err(req, -ENOMEM);
		return;
	}
	if (waiting) {
		waiting->w.done = done;
		waiting->req = req;
		fuse_req_interrupt_func(req, interrupt, waiting);
	}
	n = accesslog_read(fs_of(req)->accesslog, &who, buf, size, waiting ? &waiting->w : NULL);
	if (n == -EINPROGRESS)
		return;
	if (waiting)
		fuse_req_interrupt_func(req, NULL, NULL);
	free(waiting);
	reply(req, n < 0 ? (int)n : 0, buf, n < 0 ? 0 : (size_t)n);
}

void opl_release(struct fs *fs, int fd)
{
	accesslog_close(fs->accesslog, fd);
}
