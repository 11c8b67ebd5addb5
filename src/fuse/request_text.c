/* SPDX-License-Identifier: MIT */
/*
 * The messages that threads have in their buffers, and whose buffers they are.
 */
#include "fuse/request_text.h"

#include <inttypes.h>
#include <linux/fuse.h>
#include <stdio.h>

#include "fuse/request.h"
#include "takeover/format.h"

#define NAME(op) [FUSE_##op] = #op

static const char *const names[] = {
	NAME(LOOKUP),	 NAME(FORGET),	    NAME(GETATTR),	   NAME(SETATTR),
	NAME(READLINK),	 NAME(SYMLINK),	    NAME(MKNOD),	   NAME(MKDIR),
	NAME(UNLINK),	 NAME(RMDIR),	    NAME(RENAME),	   NAME(LINK),
	NAME(OPEN),	 NAME(READ),	    NAME(WRITE),	   NAME(STATFS),
	NAME(RELEASE),	 NAME(FSYNC),	    NAME(SETXATTR),	   NAME(GETXATTR),
	NAME(LISTXATTR), NAME(REMOVEXATTR), NAME(FLUSH),	   NAME(INIT),
	NAME(OPENDIR),	 NAME(READDIR),	    NAME(RELEASEDIR),	   NAME(FSYNCDIR),
	NAME(ACCESS),	 NAME(CREATE),	    NAME(INTERRUPT),	   NAME(DESTROY),
	NAME(IOCTL),	 NAME(POLL),	    NAME(BATCH_FORGET),	   NAME(READDIRPLUS),
	NAME(RENAME2),	 NAME(LSEEK),	    NAME(COPY_FILE_RANGE), NAME(FALLOCATE),
};

static const struct fuse_in_header *message(const struct keep *keep, unsigned int number)
{
	const uint8_t *buffers = keep_area(keep, KEEP_BUFFERS);

	return (const void *)(buffers + (size_t)number * REQUEST_BUFFER_BYTES);
}

uint64_t requests_read(const struct keep *keep)
{
	const int32_t *tids = requests_tids(keep);
	uint64_t h = layout_begin();

	for (unsigned int i = 0; i < REQUEST_THREADS_MAX && keep_is_shared(keep); i++) {
		if (tids[i]) /* else the buffer was never written to */
			h = layout_add(h, message(keep, i)->unique);
	}
	return h;
}

void request_text(const struct keep *keep, pid_t tid, char *buf, size_t len)
{
	const int32_t *tids = requests_tids(keep);

	buf[0] = '\0';
	for (unsigned int i = 0; i < REQUEST_THREADS_MAX && keep_is_shared(keep); i++) {
		const struct fuse_in_header *in = message(keep, i);
		const char *name;

		if (tids[i] != tid || in->len == 0)
			continue;
		name = in->opcode < ARRAY_SIZE(names) ? names[in->opcode] : NULL;
		(void)snprintf(buf, len,
			       "request=%s nodeid=%" PRIu64 " unique=%" PRIu64 " pid=%" PRIu32
			       " uid=%" PRIu32,
			       name ? name : "?", in->nodeid, in->unique, in->pid, in->uid);
		return;
	}
}
