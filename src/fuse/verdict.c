/* SPDX-License-Identifier: MIT */
/*
 * A list of those who wait, each for the answer to what he has asked: the guardian may have decided for those before him only.
 */
#include "fuse/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuse/op.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "takeover/handover.h"
#include "util/fault.h"

struct verdict_waiter {
	struct verdict_waiter *next; /* owned */
	fuse_req_t req;
	int text_fd;
	size_t n;
	uint32_t number; /* see handover_ask() */
};

int verdict_await(struct fs *fs, fuse_req_t req, int text_fd, size_t n)
{
	struct keep *keep = fs->config.keep;
	uint64_t unique = request_unique();
	uint32_t number = request_is_again() ? handover_asked(keep, unique) : 0;
	struct verdict_waiter *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	if (!number)
		FAULT_HANG("upgrade-asks");
	*w = (struct verdict_waiter){ .req = req, .text_fd = text_fd, .n = n };
	{
		LOCK_SCOPE(&fs->verdict_lock);
		/* Here: the answer may be quick. */
		w->number = number ? number : handover_ask(keep, unique);
		w->next = fs->waiters;
		fs->waiters = w;
	}
	if (number)
		fs_upgrade_decided(fs);
	return 0;
}

/* One who is to be told; NULL: nobody. */
static struct verdict_waiter *take_decided(struct fs *fs, enum handover_state *ret_state,
					   struct handover_reason *ret)
{
	LOCK_SCOPE(&fs->verdict_lock);
	for (struct verdict_waiter **at = &fs->waiters; *at; at = &(*at)->next) {
		struct verdict_waiter *w = *at;

		*ret_state = handover_result(fs->config.keep, w->number, ret);
		if (*ret_state == HANDOVER_UNDECIDED)
			continue;
		*at = w->next;
		return w;
	}
	return NULL;
}

void fs_upgrade_decided(struct fs *fs)
{
	struct handover_reason reason;
	enum handover_state state;
	struct control_reason why;
	struct verdict_waiter *w;

	while ((w = take_decided(fs, &state, &reason))) {
		fs_op_now = FS_OP_write;
		if (state == HANDOVER_REFUSED) {
			(void)snprintf(why.text, sizeof(why.text), "%s\n", reason.text);
			opc_keep_reason(w->text_fd, &why);
			reply_err(w->req, -ECANCELED);
		} else {
			reply_write(w->req, w->n);
		}
		free(w);
	}
}
