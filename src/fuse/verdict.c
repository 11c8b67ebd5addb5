/* SPDX-License-Identifier: MIT */
/*
 * A list of those who wait. Who comes while the guardian decides has asked once more and waits for that, but gets the answer
 * of those before him, too.
 */
#include "fuse/verdict.h"

#include <errno.h>
#include <stdlib.h>

#include "fuse/op.h"
#include "fuse/reply.h"

struct verdict_waiter {
	struct verdict_waiter *next; /* owned */
	fuse_req_t req;
	int text_fd;
	size_t n;
};

int verdict_await(struct fs *fs, fuse_req_t req, int text_fd, size_t n)
{
	struct verdict_waiter *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct verdict_waiter){ .req = req, .text_fd = text_fd, .n = n };
	LOCK_SCOPE(&fs->verdict_lock);
	w->next = fs->waiters;
	fs->waiters = w;
	return 0;
}

static struct verdict_waiter *take_all(struct fs *fs)
{
	struct verdict_waiter *w;

	LOCK_SCOPE(&fs->verdict_lock);
	w = fs->waiters;
	fs->waiters = NULL;
	return w;
}

void fs_upgrade_decided(struct fs *fs, int err, const struct control_reason *why)
{
	struct verdict_waiter *w = take_all(fs);

	while (w) {
		struct verdict_waiter *next = w->next;

		fs_op_now = FS_OP_write;
		if (err < 0) {
			opc_keep_reason(w->text_fd, why);
			reply_err(w->req, err);
		} else {
			reply_write(w->req, w->n);
		}
		free(w);
		w = next;
	}
}
