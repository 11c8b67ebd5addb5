/* SPDX-License-Identifier: MIT */
/*
 * A bounded ring of variable-length events between any number of producers and one consumer.
 * Producers copy an event in and wait only while there is no room. The consumer takes a batch and
 * works on it in place, without the lock; the room is given back, and the events forgotten, only
 * when the batch is done. A batch that fails stays where it is and is taken again: nothing is lost
 * by a failure, unless they go on for QUEUE_PATIENCE_NS while the ring is full. Then whoever works for the
 * store's users is not kept waiting for a disk that is full: new events are dropped, and counted.
 *
 * Positions count bytes since the beginning and never wrap; the offset in the ring is the position
 * modulo the capacity. Events are 8-byte aligned and contiguous:
 *
 *      0      4      8
 *      | len  | kind | payload, len bytes | padding to 8 |
 *
 * An event that does not fit before the end of the ring is preceded by one of kind QUEUE_SKIP that
 * fills the rest. The queue does not know what the kinds mean.
 */
#ifndef LEDGER_QUEUE_H
#define LEDGER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macro.h"

struct queue;

/* The ring of a ledger, bytes. Source: 50 000 file events, 0.2 s of the writer's work. */
#define QUEUE_BYTES (UINT64_C(4) << 20)

/*
 * How long a failure lasts before events are dropped for want of room. Source: longer than another program keeps
 * the database locked for, shorter than what users take for a hang.
 */
#define QUEUE_PATIENCE_NS NS_PER_S

/* Longest payload, bytes; the ring holds several. Source: struct ledger_release has about 600. */
#define QUEUE_PAYLOAD_MAX 4096

/* The kind that fills the end of the ring; every other kind is the caller's. */
#define QUEUE_SKIP UINT32_MAX

struct queue_event {
	uint32_t len;
	uint32_t kind;
	uint64_t payload[]; /* len bytes */
};

/* The events that begin in [next, end), both positions; next moves on as the batch is walked. */
struct queue_batch {
	uint64_t next;
	uint64_t end;
};

struct queue_stats {
	uint64_t events;  /* put since the beginning */
	uint64_t batches; /* done since the beginning */
	uint64_t waits;	  /* puts that found no room */
	uint64_t lost;	  /* puts that were dropped */
	uint64_t queued_bytes;
	int error; /* of the last attempt, 0 if it went well */
};

/* capacity_bytes: a power of two, at least 4 * QUEUE_PAYLOAD_MAX. Returns 0 or -ENOMEM. */
int queue_new(size_t capacity_bytes, struct queue **ret) WARN_UNUSED;
void queue_free(struct queue *q);

/* ---- producers: any thread ---- */

/* Append a copy. Waits while the ring is full, but see above. Takes the queue's lock (LOCK_LEDGER_QUEUE). */
void queue_put(struct queue *q, uint32_t kind, const void *payload, size_t len);

/* The same for what a walk of the tree can find again: it is dropped first, and leaves a quarter to the rest. */
void queue_put_minor(struct queue *q, uint32_t kind, const void *payload, size_t len);

/*
 * Wait until everything put before this call is done. Returns 0, or the error of an attempt that
 * failed meanwhile.
 */
int queue_sync(struct queue *q) WARN_UNUSED;

/* No more events will come: queue_take() hands out what is left, then ends. */
void queue_stop(struct queue *q);

void queue_stats(struct queue *q, struct queue_stats *ret);

/* As if an event had been dropped. */
void queue_doubt(struct queue *q);

/* Events dropped so far. */
uint64_t queue_lost(struct queue *q);

/* ---- the consumer: one thread ---- */

/*
 * Wait for events, gather for a moment, take what is there. Returns false when the queue was
 * stopped and is empty. Each batch ends in exactly one of queue_done() and queue_failed().
 */
bool queue_take(struct queue *q, struct queue_batch *ret) WARN_UNUSED;

/* The next event of the batch, NULL at its end. It stays valid until the batch is done. */
const struct queue_event *queue_next(struct queue *q, struct queue_batch *b);

/* What queue_next() has handed out of the batch is done: its room is free. */
void queue_done(struct queue *q, const struct queue_batch *b);

/*
 * The batch could not be worked off because of `error` (negative errno): it stays, queue_sync()
 * callers hear of it, and the caller sleeps for a time that doubles with each failure in a row; a
 * new queue_sync() or queue_stop() ends the sleep. Returns false if the queue was stopped so long
 * ago that the consumer should give up.
 */
bool queue_failed(struct queue *q, int error) WARN_UNUSED;

DEFINE_CLEANUP(struct queue *, queue_free)

#endif
