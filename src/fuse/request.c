/* SPDX-License-Identifier: MIT */
/*
 * A slot for each thread, and the changes that the last worker left: in KEEP_REQUESTS, and the messages in KEEP_BUFFERS.
 */
#include "fuse/request.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "takeover/format.h"
#include "util/log.h"

/* Not in the headers of every release; source: asm-generic/mman-common.h of Linux 5.14. */
#define POPULATE_WRITE 23

/* Changes that wait for their requests. Source: each worker leaves one for a thread; more than have ever been seen. */
#define LEFT_MAX 1024

/* A change that may have been made, of a request that is sent again. */
struct left {
	uint64_t unique; /* without REQUEST_RESENT; 0: free. Written last */
	struct request_change change;
};

/* KEEP_REQUESTS. A slot without a thread has never been used: nor is it looked at, which would be a page fault or two each. */
struct request_area {
	int32_t tids[REQUEST_SLOTS]; /* of the threads; written before anything of the slot's */
	struct request slots[REQUEST_SLOTS];
	struct left left[LEFT_MAX];
};

struct requests {
	struct keep *keep;		/* borrowed */
	struct request_area *area;	/* of it */
	uint8_t *buffers;		/* as well */
	bool has_buffer[REQUEST_SLOTS]; /* each its thread's */
};

__thread struct request *request_now;

/* What this thread's request may have changed when it was served before. A thread's own, as above. */
static __thread struct request_change *before;
static __thread bool is_again;
static __thread uint64_t unique_again;

/* Where this thread's messages are. */
static __thread const struct fuse_in_header *message_now;

static struct request *slot(struct requests *r, unsigned int number)
{
	return &r->area->slots[number];
}

static struct fuse_in_header *message(struct requests *r, unsigned int number)
{
	return (void *)(r->buffers + (size_t)number * REQUEST_BUFFER_BYTES);
}

int requests_new(struct keep *keep, struct requests **ret)
{
	struct requests *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->keep = keep;
	r->area = keep_area(keep, KEEP_REQUESTS);
	r->buffers = keep_area(keep, KEEP_BUFFERS);
	*ret = r;
	return 0;
}

uint64_t requests_layout(void)
{
	uint64_t h = layout_add(layout_begin(), sizeof(struct request));

	h = layout_add(h, sizeof(struct request_area));
	h = layout_add(h, REQUEST_BUFFER_BYTES);
	return layout_add(h, REQUEST_SLOTS);
}

void requests_free(struct requests *r)
{
	free(r);
}

const int32_t *requests_tids(const struct keep *keep)
{
	return ((const struct request_area *)keep_area(keep, KEEP_REQUESTS))->tids;
}

void *requests_buffer(struct requests *r, unsigned int number)
{
	return keep_is_shared(r->keep) ? message(r, number) : NULL;
}

/* ---- one after the other ---- */

static void clear(struct request *rq)
{
	rq->change.kind = CHANGE_NONE;
	rq->change.fd = -1;
	rq->opened = 0;
	rq->ngiven = rq->nforgot = 0;
}

void request_have_buffer(void *buf)
{
	(void)madvise(buf, REQUEST_PRESENT_BYTES,
		      POPULATE_WRITE); /* if not, it is as good as it was */
}

void requests_ready(struct requests *r, unsigned int number)
{
	if (!keep_is_shared(r->keep))
		return;
	if (!r->has_buffer[number]) {
		request_have_buffer(message(r, number));
		r->area->tids[number] = gettid();
		request_fence();
	}
	r->has_buffer[number] = true;
	request_now = slot(r, number);
	message_now = message(r, number);
	message(r, number)->len = 0;
	request_fence();
	clear(request_now);
	request_fence();
}

void requests_done(struct requests *r, unsigned int number)
{
	if (!keep_is_shared(r->keep))
		return;
	request_fence();
	message(r, number)->len = 0;
	request_fence();
}

void request_changing(const struct request_change *change)
{
	struct request *rq = request_now;

	if (!rq)
		return;
	if (change->fd >= 0)
		keep_fd(change->fd);
	rq->change = *change;
	rq->change.kind = CHANGE_NONE;
	request_fence();
	rq->change.kind = change->kind;
	request_fence();
}

void request_changed(int r, int fd)
{
	struct request *rq = request_now;

	if (!rq)
		return;
	request_fence();
	if (r < 0)
		rq->change.kind = CHANGE_NONE;
	rq->change.fd = -1;
	if (fd >= 0)
		keep_fd_drop(fd);
}

void request_uncounts(void)
{
	if (request_now && request_now->change.kind == CHANGE_NONE)
		request_changing(&(struct request_change){ .kind = CHANGE_CLOSE, .fd = -1 });
}

void request_closes(void)
{
	if (request_now)
		request_now->change.done = 1;
	if (before)
		before->done = 1;
	request_fence();
}

const struct request_change *request_again(enum request_change_kind kind)
{
	return before && before->kind == kind ? before : NULL;
}

bool request_is_again(void)
{
	return is_again;
}

uint64_t request_unique(void)
{
	uint64_t unique = is_again ? unique_again : message_now ? message_now->unique : 0;

	return unique & ~REQUEST_RESENT;
}

/* ---- from one worker to the next ---- */

static struct left *find_left(struct requests *r, uint64_t unique)
{
	for (size_t i = 0; i < LEFT_MAX; i++) {
		if (r->area->left[i].unique == unique)
			return &r->area->left[i];
	}
	return NULL;
}

static bool is_among(const uint64_t *uniques, size_t n, uint64_t unique)
{
	for (size_t i = 0; i < n; i++) {
		if ((uniques[i] & ~REQUEST_RESENT) == unique)
			return true;
	}
	return false;
}

/*
 * One that was told of before has been begun again since, which changes nothing of what may have been done then. The
 * descriptor goes with what is left, and else stays the thread's.
 */
static void leave(struct requests *r, uint64_t unique, struct request_change *change)
{
	struct left *left = find_left(r, unique);

	if (left && left->change.fd == change->fd)
		change->fd = -1; /* killed just below */
	if (left)
		return;
	left = find_left(r, 0);
	if (!left) {
		log_warning("takeover: more requests under way than are remembered; a name may be "
			    "answered as if somebody else had made it, ignoring");
		return;
	}
	left->change = *change;
	request_fence();
	left->unique = unique;
	request_fence();
	change->fd = -1;
}

/* Of a change that was begun twice, or is over. */
static void drop_change(struct request_change *change)
{
	int fd = change->fd;

	change->fd = -1;
	request_fence();
	if (fd >= 0) {
		keep_fd_drop(fd);
		(void)close(fd);
	}
}

static void drop_left(struct left *left)
{
	left->unique = 0;
	request_fence();
	drop_change(&left->change);
}

/* The rest of a message of inodes to be forgotten. */
static void forget_rest(const struct requests_upcalls *up, struct request *rq,
			const struct fuse_in_header *in)
{
	const void *body = in + 1;
	const struct fuse_batch_forget_in *batch = body;
	const struct fuse_forget_one *items = (const void *)(batch + 1);
	const struct fuse_forget_in *single = body;

	request_now = rq; /* counts on: this may be interrupted, too */
	if (in->opcode == FUSE_FORGET && rq->nforgot == 0)
		up->forget(up->ctx, in->nodeid, single->nlookup);
	while (in->opcode == FUSE_BATCH_FORGET && rq->nforgot < batch->count) {
		const struct fuse_forget_one *f = &items[rq->nforgot];

		up->forget(up->ctx, f->nodeid, f->nlookup);
	}
	request_now = NULL;
}

static void resume_slot(struct requests *r, unsigned int number, const struct requests_upcalls *up,
			const uint64_t *uniques, size_t n)
{
	struct request *rq = slot(r, number);
	struct fuse_in_header *in = message(r, number);
	uint64_t unique = in->unique & ~REQUEST_RESENT;

	if (in->len == 0)
		return;
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET) {
		forget_rest(up, rq, in);
	} else if (is_among(uniques, n, unique)) {
		if (rq->change.kind != CHANGE_NONE)
			leave(r, unique, &rq->change);
		in->len = 0; /* first: not to be undone twice */
		request_fence();
		up->undo(up->ctx, rq);
	}
	in->len = 0;
	request_fence();
	drop_change(&rq->change);
	clear(rq);
}

void requests_resume(struct requests *r, const struct requests_upcalls *up, const uint64_t *uniques,
		     size_t n)
{
	/* Answered meanwhile, or given up by the kernel: what is not sent again is over. */
	for (size_t i = 0; i < LEFT_MAX; i++) {
		if (r->area->left[i].unique && !is_among(uniques, n, r->area->left[i].unique))
			drop_left(&r->area->left[i]);
	}
	for (unsigned int i = 0; i < REQUEST_SLOTS; i++) {
		if (r->area->tids[i])
			resume_slot(r, i, up, uniques, n);
	}
}

void requests_forget(struct requests *r, const struct requests_upcalls *up)
{
	const struct fuse_in_header *in = message(r, REQUEST_BACKLOG);

	if (!r->area->tids[REQUEST_BACKLOG])
		return;
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET)
		resume_slot(r, REQUEST_BACKLOG, up, NULL, 0);
}

void requests_begin_again(struct requests *r, uint64_t unique)
{
	struct left *left = find_left(r, unique & ~REQUEST_RESENT);

	is_again = true;
	unique_again = unique;
	before = left ? &left->change : NULL;
}

void requests_end_again(struct requests *r, uint64_t unique)
{
	struct left *left = find_left(r, unique & ~REQUEST_RESENT);

	is_again = false;
	before = NULL;
	if (left)
		drop_left(left);
}
