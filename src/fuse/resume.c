/* SPDX-License-Identifier: MIT */
/*
 * Sent again, requests come before all others: so they are read until the first that is none. Messages that nobody
 * answers (FORGET, INTERRUPT) may be in between.
 */
#include "fuse/resume.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Not in the headers of every release; source: linux/fuse.h of Linux 6.9, 6.16. */
#define NOTIFY_RESEND 7
#define NOTIFY_INC_EPOCH 8
#define INIT_HAS_RESEND (UINT64_C(1) << 39)

struct message {
	uint8_t *bytes; /* owned */
	size_t len;
};

struct backlog {
	struct message *messages; /* owned */
	uint64_t *uniques;	  /* owned */
	size_t count;
	size_t room;
	_Atomic size_t next;
};

bool resume_is_possible(const void *init, size_t len)
{
	const struct fuse_in_header *in = init;
	const struct fuse_init_in *arg = (const void *)(in + 1);

	if (len < sizeof(*in) + offsetof(struct fuse_init_in, unused))
		return false;
	return ((uint64_t)arg->flags2 << 32) & INIT_HAS_RESEND;
}

static int grow(struct backlog *b)
{
	size_t room = b->room ? b->room * 2 : 64;
	struct message *messages = realloc(b->messages, room * sizeof(*messages));
	uint64_t *uniques;

	if (!messages)
		return -ENOMEM;
	b->messages = messages;
	uniques = realloc(b->uniques, room * sizeof(*uniques));
	if (!uniques)
		return -ENOMEM;
	b->uniques = uniques;
	b->room = room;
	return 0;
}

static int add(struct backlog *b, const void *bytes, size_t len)
{
	const struct fuse_in_header *in = bytes;
	uint8_t *copy;

	if (b->count == b->room && grow(b) < 0)
		return -ENOMEM;
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, len);
	b->messages[b->count] = (struct message){ .bytes = copy, .len = len };
	b->uniques[b->count++] = in->unique;
	return 0;
}

static bool is_answered(const struct fuse_in_header *in)
{
	return in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET &&
	       in->opcode != FUSE_INTERRUPT;
}

struct reading {
	struct backlog *to;
	struct requests *requests;
	const struct requests_upcalls *up;
	int fd;
};

/* 1: more may follow; 0: that was all; -errno. */
static int read_one(struct reading *reading)
{
	void *buf = requests_buffer(reading->requests, REQUEST_BACKLOG);
	struct pollfd p = { .fd = reading->fd, .events = POLLIN };
	const struct fuse_in_header *in = buf;
	ssize_t n;
	int r;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	requests_ready(reading->requests, REQUEST_BACKLOG);
	n = read(reading->fd, buf, REQUEST_BUFFER_BYTES);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN || errno == ENOENT ? 1 : -errno;
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET) {
		requests_forget(reading->requests, reading->up);
		return 1;
	}
	r = add(reading->to, buf, (size_t)n);
	requests_done(reading->requests, REQUEST_BACKLOG);
	if (r < 0)
		return r;
	return is_answered(in) && !(in->unique & REQUEST_RESENT) ? 0 : 1;
}

DEFINE_CLEANUP(struct backlog *, backlog_free)

int backlog_read(struct fuse_session *se, struct requests *requests,
		 const struct requests_upcalls *up, struct backlog **ret)
{
	struct fuse_out_header resend = { .len = sizeof(resend), .error = NOTIFY_RESEND };
	_cleanup_(backlog_freep) struct backlog *b = calloc(1, sizeof(*b));
	struct reading reading = {
		.to = b, .requests = requests, .up = up, .fd = fuse_session_fd(se)
	};
	int r;

	if (!b)
		return -ENOMEM;
	requests_forget(requests, up); /* the rest of what the last one did here */
	if (write(reading.fd, &resend, sizeof(resend)) < 0)
		return -errno;
	do {
		r = read_one(&reading);
	} while (r == 1);
	request_now = NULL;
	if (r == 0)
		*ret = TAKE_PTR(b);
	return r;
}

void resume_doubt_names(struct fuse_session *se)
{
	struct fuse_out_header epoch = { .len = sizeof(epoch), .error = NOTIFY_INC_EPOCH };

	/* -EINVAL: it goes on with names of executions that are over, which it finds out when it uses them. */
	(void)!write(fuse_session_fd(se), &epoch, sizeof(epoch));
}

void backlog_free(struct backlog *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->count; i++)
		free(b->messages[i].bytes);
	free(b->messages);
	free(b->uniques);
	free(b);
}

const uint64_t *backlog_uniques(const struct backlog *b)
{
	return b->uniques;
}

size_t backlog_count(const struct backlog *b)
{
	return b->count;
}

bool backlog_take(struct backlog *b, struct fuse_buf *buf, uint64_t *ret_unique)
{
	size_t i;

	if (atomic_load_explicit(&b->next, memory_order_relaxed) >= b->count)
		return false;
	i = atomic_fetch_add(&b->next, 1);
	if (i >= b->count)
		return false;
	memcpy(buf->mem, b->messages[i].bytes, b->messages[i].len);
	buf->size = b->messages[i].len;
	buf->flags = 0;
	*ret_unique = b->uniques[i];
	return true;
}
