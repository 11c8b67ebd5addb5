/* SPDX-License-Identifier: MIT */
/*
 * The requests that a process was sent and has not answered: asked for again in its place.
 */
#ifndef FUSE_RESUME_H
#define FUSE_RESUME_H

#include "fuse/fs.h"
#include "fuse/request.h"

/* Whether the kernel sends requests again (Linux 6.9), by its first message. */
bool resume_is_possible(const void *init, size_t len);

struct backlog;

/*
 * Have the kernel send them, and read them, before anybody else reads. What came in between is among them; of that, what is
 * to be forgotten has been (up->forget). 0, -ENOMEM, -EINVAL (the kernel cannot), -ENODEV (there is no connection any
 * more), -errno.
 */
int backlog_read(struct fuse_session *se, struct requests *requests,
		 const struct requests_upcalls *up, struct backlog **ret) WARN_UNUSED;
void backlog_free(struct backlog *b);

/*
 * All names that the kernel has are looked up again (Linux 6.16). Each is dropped for that moment, also a directory that
 * somebody works in, and for good what is mounted upon it: only for when it is not known which are wrong.
 */
void resume_doubt_names(struct fuse_session *se);

/* Their ids, REQUEST_RESENT set in those that are sent again. */
const uint64_t *backlog_uniques(const struct backlog *b);
size_t backlog_count(const struct backlog *b);

/* The next of them, copied to buf->mem (REQUEST_BUFFER_BYTES). False: there is none. From any thread. */
bool backlog_take(struct backlog *b, struct fuse_buf *buf, uint64_t *ret_unique) WARN_UNUSED;

#endif
