/* SPDX-License-Identifier: MIT */
/*
 * The ring between producers and the writer thread. One mutex (rank LOCK_LEDGER_QUEUE) guards the
 * positions; bytes in [head, tail) belong to the consumer, the others to the producer that holds
 * the lock, so payloads are read without it.
 *
 * Waking a sleeping thread costs a producer more than everything else here, therefore:
 *   - while there is traffic the consumer looks by itself, once per GATHER_NS, and nobody wakes
 *     it; only after LINGER_ROUNDS looks in vain does it sleep until called (CONSUMER_ASLEEP);
 *   - events that are waited for (queue_sync) or that fill half the ring are not gathered: the
 *     producer that brings this about wakes the consumer once.
 *
 *                    event put                          nothing for LINGER_ROUNDS
 *      ASLEEP ---------------------> BUSY ----> GATHERING -----------------------> ASLEEP
 *       (the producer makes it)       ^            |        (the consumer makes it)
 *                                     +------------+
 *                                  time over, urgent, stop
 */
#include "ledger/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/lock.h"

/* How long events are gathered. Source: 200 commits a second cost little; nobody waits for them. */
#define GATHER_NS (5 * NS_PER_MS)
/* Looks in vain before the consumer sleeps: a tenth of a second. */
#define LINGER_ROUNDS 20

/* A batch is at most this part of the ring, so that producers get room while there is a backlog. */
#define BATCH_SHARE 4

#define BACKOFF_MIN_NS (10 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S
/* How long a stopped queue goes on trying before it gives up. */
#define STOP_PATIENCE_NS (3 * NS_PER_S)

enum consumer_state {
	CONSUMER_BUSY,	      /* working, or called and not yet running */
	CONSUMER_GATHERING,   /* waits for GATHER_NS; called only if it is urgent */
	CONSUMER_ASLEEP,      /* waits to be called */
	CONSUMER_BACKING_OFF, /* waits after a failure; only sync and stop call it */
};

struct queue {
	uint8_t *ring;	   /* owned; constant */
	uint64_t capacity; /* constant */

	struct lock lock;
	uint64_t head;		 /* lock; the oldest event that is not done */
	uint64_t tail;		 /* lock; where the next event goes */
	uint64_t sync_to;	 /* lock; somebody waits until head is here */
	uint64_t failures;	 /* lock; attempts that failed */
	int last_failure;	 /* lock; negative errno of the newest of them */
	int64_t backoff_ns;	 /* lock; 0 after a success */
	int64_t failing_mono_ns; /* lock; since when all attempts failed; 0: the last did not */
	int64_t stop_mono_ns;	 /* lock; when it was stopped */
	bool stopped;		 /* lock */
	uint32_t nfull;		 /* lock; producers waiting for room */
	enum consumer_state consumer; /* lock */
	struct queue_stats stats;     /* lock; queued_bytes is filled in when asked */
	pthread_cond_t work;	      /* lock; the consumer waits here */
	pthread_cond_t room;	      /* lock; producers wait here */
	pthread_cond_t progress;      /* lock; queue_sync() waits here */
};

int queue_new(size_t capacity_bytes, struct queue **ret)
{
	_cleanup_(queue_freep) struct queue *q = calloc(1, sizeof(*q));

	assert((capacity_bytes & (capacity_bytes - 1)) == 0);
	assert(capacity_bytes >= (size_t)4 * QUEUE_PAYLOAD_MAX);
	if (!q)
		return -ENOMEM;
	lock_init(&q->lock, LOCK_LEDGER_QUEUE);
	lock_cond_init(&q->work);
	lock_cond_init(&q->room);
	lock_cond_init(&q->progress);
	q->capacity = capacity_bytes;
	q->ring = malloc(capacity_bytes);
	if (!q->ring)
		return -ENOMEM;
	*ret = TAKE_PTR(q);
	return 0;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	(void)pthread_cond_destroy(&q->progress);
	(void)pthread_cond_destroy(&q->room);
	(void)pthread_cond_destroy(&q->work);
	lock_done(&q->lock);
	free(q->ring);
	free(q);
}

static uint64_t event_bytes(size_t len)
{
	return (sizeof(struct queue_event) + len + 7) & ~UINT64_C(7);
}

static struct queue_event *event_at(struct queue *q, uint64_t position)
{
	return (struct queue_event *)(void *)(q->ring + (position & (q->capacity - 1)));
}

/* Nothing more is to be gathered. Caller holds lock. */
static bool urgent_locked(const struct queue *q)
{
	if (q->stopped)
		return true;
	if (q->tail == q->head)
		return false; /* producers that had no room may still be counted in nfull */
	return q->sync_to > q->head || q->nfull > 0 || q->tail - q->head > q->capacity / 2;
}

/* Caller holds lock. */
static void call_consumer_locked(struct queue *q)
{
	q->consumer = CONSUMER_BUSY;
	(void)pthread_cond_signal(&q->work);
}

/* Something was put, or there is no room for it. Caller holds lock. */
static void call_if_waiting_locked(struct queue *q)
{
	if (q->consumer == CONSUMER_ASLEEP ||
	    (q->consumer == CONSUMER_GATHERING && urgent_locked(q)))
		call_consumer_locked(q);
}

/* Bytes up to the end of the ring that an event of `need` bytes has to skip. Caller holds lock. */
static uint64_t skip_locked(const struct queue *q, uint64_t need)
{
	uint64_t to_end = q->capacity - (q->tail & (q->capacity - 1));

	return need > to_end ? to_end : 0;
}

static bool has_room_locked(const struct queue *q, uint64_t need)
{
	return q->tail + skip_locked(q, need) + need - q->head <= q->capacity;
}

static bool is_refused_locked(const struct queue *q)
{
	return q->failing_mono_ns && clock_mono_ns() >= q->failing_mono_ns + QUEUE_PATIENCE_NS;
}

/* False: there will be none in a while. */
static bool wait_for_room_locked(struct queue *q, uint64_t need, bool minor)
{
	if (minor && q->tail - q->head > q->capacity / 4 * 3 && is_refused_locked(q)) {
		q->stats.lost++;
		return false;
	}
	if (has_room_locked(q, need))
		return true;
	q->stats.waits++;
	while (!has_room_locked(q, need)) {
		if (is_refused_locked(q)) {
			q->stats.lost++;
			return false;
		}
		q->nfull++;
		call_if_waiting_locked(q);
		if (q->failing_mono_ns)
			(void)lock_wait_until(&q->lock, &q->room,
					      q->failing_mono_ns + QUEUE_PATIENCE_NS);
		else
			lock_wait(&q->lock, &q->room);
		q->nfull--;
	}
	return true;
}

static void put(struct queue *q, uint32_t kind, const void *payload, size_t len, bool minor)
{
	uint64_t need = event_bytes(len);
	struct queue_event *e;
	uint64_t skip;

	assert(len <= QUEUE_PAYLOAD_MAX && kind != QUEUE_SKIP);
	LOCK_SCOPE(&q->lock);
	if (!wait_for_room_locked(q, need, minor))
		return;
	skip = skip_locked(q, need);
	if (skip > 0) {
		e = event_at(q, q->tail);
		e->len = (uint32_t)(skip - sizeof(*e));
		e->kind = QUEUE_SKIP;
		q->tail += skip;
	}
	e = event_at(q, q->tail);
	e->len = (uint32_t)len;
	e->kind = kind;
	if (len > 0)
		memcpy(e->payload, payload, len);
	q->tail += need;
	q->stats.events++;
	call_if_waiting_locked(q);
}

void queue_put(struct queue *q, uint32_t kind, const void *payload, size_t len)
{
	put(q, kind, payload, len, false);
}

void queue_put_minor(struct queue *q, uint32_t kind, const void *payload, size_t len)
{
	put(q, kind, payload, len, true);
}

int queue_sync(struct queue *q)
{
	uint64_t target, failures;

	LOCK_SCOPE(&q->lock);
	target = q->tail;
	failures = q->failures;
	while (q->head < target && q->failures == failures) {
		if (q->sync_to < target)
			q->sync_to = target;
		call_consumer_locked(q);
		lock_wait(&q->lock, &q->progress);
	}
	return q->head >= target ? 0 : q->last_failure;
}

void queue_stop(struct queue *q)
{
	LOCK_SCOPE(&q->lock);
	q->stopped = true;
	q->stop_mono_ns = clock_mono_ns();
	call_consumer_locked(q);
}

void queue_stats(struct queue *q, struct queue_stats *ret)
{
	LOCK_SCOPE(&q->lock);
	*ret = q->stats;
	ret->queued_bytes = q->tail - q->head;
}

/* Wait in `state` until called or until the deadline (-1: none). Caller holds lock. */
static void consumer_wait_locked(struct queue *q, enum consumer_state state,
				 int64_t deadline_mono_ns)
{
	int r = 0;

	q->consumer = state;
	while (q->consumer == state && r == 0) {
		if (deadline_mono_ns < 0)
			lock_wait(&q->lock, &q->work);
		else
			r = lock_wait_until(&q->lock, &q->work, deadline_mono_ns);
	}
	q->consumer = CONSUMER_BUSY;
}

void queue_doubt(struct queue *q)
{
	LOCK_SCOPE(&q->lock);
	q->stats.lost++;
}

uint64_t queue_lost(struct queue *q)
{
	LOCK_SCOPE(&q->lock);
	return q->stats.lost;
}

bool queue_take(struct queue *q, struct queue_batch *ret)
{
	int rounds = 0;

	LOCK_SCOPE(&q->lock);
	while (!urgent_locked(q)) {
		if (q->tail == q->head && rounds >= LINGER_ROUNDS) {
			consumer_wait_locked(q, CONSUMER_ASLEEP, -1);
			rounds = 0;
			continue; /* gather what follows the event that woke us */
		}
		consumer_wait_locked(q, CONSUMER_GATHERING, clock_mono_ns() + GATHER_NS);
		if (q->tail != q->head)
			break;
		rounds++;
	}
	if (q->tail == q->head)
		return false; /* stopped */
	*ret = (struct queue_batch){
		.next = q->head,
		.end = MIN_OF(q->tail, q->head + q->capacity / BATCH_SHARE),
	};
	return true;
}

const struct queue_event *queue_next(struct queue *q, struct queue_batch *b)
{
	while (b->next < b->end) {
		const struct queue_event *e = event_at(q, b->next);

		b->next += event_bytes(e->len);
		if (e->kind != QUEUE_SKIP)
			return e;
	}
	return NULL;
}

void queue_done(struct queue *q, const struct queue_batch *b)
{
	LOCK_SCOPE(&q->lock);
	assert(b->next >= q->head && b->next <= q->tail);
	q->head = b->next;
	q->backoff_ns = 0;
	q->failing_mono_ns = 0;
	q->stats.batches++;
	q->stats.error = 0;
	if (q->nfull > 0)
		(void)pthread_cond_broadcast(&q->room);
	(void)pthread_cond_broadcast(&q->progress);
}

bool queue_failed(struct queue *q, int error)
{
	int64_t now = clock_mono_ns();
	int64_t until;

	LOCK_SCOPE(&q->lock);
	q->failures++;
	q->last_failure = error;
	q->stats.error = error;
	q->sync_to = q->head; /* those who waited have their answer; later ones end the sleep */
	(void)pthread_cond_broadcast(&q->progress);
	if (!q->failing_mono_ns)
		q->failing_mono_ns = now;
	(void)pthread_cond_broadcast(&q->room); /* who waits there does not wait for ever */

	q->backoff_ns = q->backoff_ns ? MIN_OF(2 * q->backoff_ns, BACKOFF_MAX_NS) : BACKOFF_MIN_NS;
	until = now + q->backoff_ns;
	if (q->stopped) {
		if (now >= q->stop_mono_ns + STOP_PATIENCE_NS)
			return false;
		until = MIN_OF(until, q->stop_mono_ns + STOP_PATIENCE_NS);
	}
	consumer_wait_locked(q, CONSUMER_BACKING_OFF, until);
	return true;
}
