/* SPDX-License-Identifier: MIT */
/*
 * What a thread is at, written down where it outlives the worker (takeover/keep.h). The kernel sends a request again
 * whose answer it has not got (FUSE_NOTIFY_RESEND); whether it had been carried out, and what had been counted for the
 * answer, is found here.
 *
 *     read   -> the message is in the thread's buffer, there is nothing else
 *     served -> `given`, `opened`, `closed`: what has been counted as if the answer had come through; `change`: what
 *               is being done
 *     done   -> the message is gone; the rest is cleared before the next one is read
 *
 * A request that the kernel sends again has not been answered: its counts are taken back, and its change is handed to
 * whoever serves it now (request_again()). One that it does not send again has been: all stands as it is. A FORGET is
 * never sent again, and is carried out to its end.
 *
 * A worker may be killed between a count and what is said of it here. Then a count is too high, never too low: an
 * inode stays known for nothing, but none is forgotten that somebody has. So a count that rises is noted afterwards,
 * and one that falls before.
 */
#ifndef FUSE_REQUEST_H
#define FUSE_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "takeover/keep.h"
#include "util/macro.h"

/* Threads that serve requests, at most. Source: option threads= goes up to 64. */
#define REQUEST_THREADS_MAX 64

/* And whoever reads, in a new worker, what the kernel sends again, before there are threads. */
#define REQUEST_BACKLOG REQUEST_THREADS_MAX
#define REQUEST_SLOTS (REQUEST_THREADS_MAX + 1)

/* The longest message, bytes. Source: FUSE_MAX_MAX_PAGES (256) pages of 4 KiB, and a header page. */
#define REQUEST_BUFFER_BYTES ((size_t)2 << 20)

/*
 * What of it is used: kept in memory, since the kernel gives up with EIO what it cannot copy, and it brings no page in for
 * a thread that is being killed. Source: as above.
 */
#define REQUEST_PRESENT_BYTES ((size_t)257 << 12)

/* Entries of a listing with attributes. Source: a reply of 1 MiB, 152 bytes an entry with the shortest name. */
#define REQUEST_GIVEN_MAX 7168

/* Set in the `unique` of a request that is sent again. Source: FUSE_UNIQUE_RESEND in linux/fuse.h of Linux 6.9. */
#define REQUEST_RESENT (UINT64_C(1) << 63)

enum request_change_kind {
	CHANGE_NONE,
	CHANGE_MAKE,   /* a name for a new file, directory, ... */
	CHANGE_LINK,   /* another name for `ino` */
	CHANGE_REMOVE, /* the name of what fd has open */
	CHANGE_RENAME, /* `ino` gets the name of `other`, which fd has open if there is one */
	CHANGE_XATTR,  /* an attribute is made, or goes */
	CHANGE_CLOSE,  /* an open less; `done`: its descriptors are closed, or about to be */
};

/* A change that cannot be made twice. */
struct request_change {
	uint32_t kind; /* enum request_change_kind; written last */
	int32_t fd;    /* O_PATH, kept; or -1 */
	uint64_t ino;
	uint64_t other;
	uint64_t done;
};

struct request {
	struct request_change change;
	uint64_t opened; /* node id that an open was counted of; 0: none */
	uint64_t fh;	 /* of that open */
	uint32_t opened_writes;
	uint32_t ngiven;
	uint32_t nforgot;		   /* of those in the message */
	uint64_t given[REQUEST_GIVEN_MAX]; /* node ids: a lookup was counted of each */
};

/*
 * What this thread is at; NULL in threads that serve no requests, and without takeover. A thread's own: what counts
 * for an answer is counted far below whoever answers.
 */
extern __thread struct request *request_now;

struct requests;

/* See takeover/format.h. */
uint64_t requests_layout(void);

int requests_new(struct keep *keep, struct requests **ret) WARN_UNUSED;
void requests_free(struct requests *r);

/* Of the threads, [REQUEST_SLOTS]; 0: there has never been one with that number. */
const int32_t *requests_tids(const struct keep *keep);

/* Where thread `number`, or REQUEST_BACKLOG, reads its messages to: REQUEST_BUFFER_BYTES; NULL without takeover. */
void *requests_buffer(struct requests *r, unsigned int number);

/* Have the memory of a message, whole pages of REQUEST_BUFFER_BYTES, for the kernel to write to. */
void request_have_buffer(void *buf);

/* Thread `number` is about to read: nothing of the last request is left. */
void requests_ready(struct requests *r, unsigned int number);

/* The same thread has dealt with its message. */
void requests_done(struct requests *r, unsigned int number);

/* ---- within a request ---- */

/* No compiler may move what is written across this: the next worker reads it after a kill. */
static inline void request_fence(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* A lookup of the inode has been counted for the answer; and one is about to be taken back. */
static inline void request_given(uint64_t nodeid)
{
	struct request *rq = request_now;

	if (!rq || rq->ngiven == REQUEST_GIVEN_MAX)
		return;
	rq->given[rq->ngiven] = nodeid;
	request_fence();
	rq->ngiven++;
}

static inline void request_not_given(uint64_t nodeid)
{
	struct request *rq = request_now;

	if (rq && rq->ngiven > 0 && rq->given[rq->ngiven - 1] == nodeid)
		rq->ngiven--;
	request_fence();
}

/* An open has been counted, with what fi->fh of it is; and one is about to be uncounted that was counted here. */
static inline void request_opened(uint64_t nodeid, uint64_t fh, bool writes)
{
	struct request *rq = request_now;

	if (!rq)
		return;
	rq->fh = fh;
	rq->opened_writes = writes;
	request_fence();
	rq->opened = nodeid;
}

static inline void request_not_opened(void)
{
	if (request_now)
		request_now->opened = 0;
	request_fence();
}

/* One of a message's inodes is about to be forgotten. */
static inline void request_forgets(void)
{
	if (request_now)
		request_now->nforgot++;
	request_fence();
}

/*
 * A change is about to be made; said before it is begun, with all that is needed to tell later whether it was. fd
 * is kept until request_changed().
 */
void request_changing(const struct request_change *change);

/*
 * r: 0, it was made and all that follows from it is done; or a negative errno, it was not. fd: the change's, if the
 * caller still has it, which closes it; else -1.
 */
void request_changed(int r, int fd);

/*
 * The change's descriptor is about to get another owner, or to be closed. A worker that is killed in between leaves it
 * open for nothing; two owners would close another's some day.
 */
static inline void request_gives(int fd)
{
	struct request *rq = request_now;

	if (rq && rq->change.fd == fd)
		rq->change.fd = -1;
	request_fence();
}

/* An open is about to be uncounted, which is done once: in a request that changes nothing else (CHANGE_CLOSE). */
void request_uncounts(void);

/*
 * The descriptors of a CHANGE_CLOSE are about to be closed. Said before: a worker that is killed meanwhile leaves them open
 * for nothing; who closes them again would close another's.
 */
void request_closes(void);

/* If this request was begun before: the change that may have been made then. NULL: none of this kind. */
const struct request_change *request_again(enum request_change_kind kind);

/* ---- a new worker ---- */

/*
 * What the last worker was at, before anything else: `uniques` are those that the kernel sends again, so it has no
 * answer to them. `undo` gives back what was counted for an answer; `forget` is called for each inode that a
 * message of the last worker's is still to forget. Then no thread is at anything.
 */
struct requests_upcalls {
	void *ctx;
	void (*undo)(void *ctx, const struct request *rq);
	void (*forget)(void *ctx, uint64_t nodeid, uint64_t nlookup);
};
void requests_resume(struct requests *r, const struct requests_upcalls *up, const uint64_t *uniques,
		     size_t n);

/*
 * If a message of inodes to be forgotten has been read into the buffer of REQUEST_BACKLOG, it is carried out. The kernel sends
 * none of these again: so it is done here and at once, and if this worker dies the next one does the rest.
 */
void requests_forget(struct requests *r, const struct requests_upcalls *up);

/* This thread serves the request that is sent again: request_again() tells of it. */
void requests_begin_again(struct requests *r, uint64_t unique);
void requests_end_again(struct requests *r, uint64_t unique);

/* Whether it does. */
bool request_is_again(void);

/* The number of this thread's request, the same if it is sent again; 0: not known (without takeover). */
uint64_t request_unique(void);

#endif
