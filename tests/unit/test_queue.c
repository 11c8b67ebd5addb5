/* SPDX-License-Identifier: MIT */
/*
 * The ring of the ledger: order, wrapping, back-pressure, gathering, failures. The consumer is
 * either the test itself or a thread of it; producers are threads.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/queue.h"
#include "unit.h"
#include "util/clock.h"
#include "util/macro.h"

#define RING_BYTES 16384
#define NPRODUCERS 4
#define PER_PRODUCER 20000

struct fill {
	uint32_t producer;
	uint32_t seq;
	uint8_t rest[120];
};

static struct queue *q;

static void setup(void)
{
	ck_assert_int_eq(queue_new(RING_BYTES, &q), 0);
}

static void teardown(void)
{
	queue_free(q);
}

START_TEST(events_come_out_in_order_and_whole)
{
	struct queue_batch b;
	const struct queue_event *e;
	uint64_t a = 0x1122334455667788;
	char text[5] = "wxyz";

	queue_put(q, 7, &a, sizeof(a));
	queue_put(q, 8, NULL, 0);
	queue_put(q, 9, text, sizeof(text));
	ck_assert(queue_take(q, &b));

	e = queue_next(q, &b);
	ck_assert_uint_eq(e->kind, 7);
	ck_assert_uint_eq(e->len, sizeof(a));
	ck_assert_uint_eq(e->payload[0], a);
	e = queue_next(q, &b);
	ck_assert_uint_eq(e->kind, 8);
	ck_assert_uint_eq(e->len, 0);
	e = queue_next(q, &b);
	ck_assert_uint_eq(e->kind, 9);
	ck_assert_str_eq((const char *)e->payload, "wxyz");
	ck_assert_ptr_null(queue_next(q, &b));
	queue_done(q, &b);
}
END_TEST

/* All lengths at many offsets: the ring is walked round many times. */
START_TEST(events_wrap_around_the_end_of_the_ring)
{
	uint8_t payload[300];

	for (unsigned int i = 0; i < 6000; i += 30) {
		struct queue_batch b;

		for (unsigned int j = i; j < i + 30; j++) {
			memset(payload, (int)(j & 0xff), sizeof(payload));
			queue_put(q, j, payload, j % sizeof(payload));
		}
		for (unsigned int j = i; j < i + 30;) {
			const struct queue_event *e;

			ck_assert(queue_take(q, &b));
			for (; (e = queue_next(q, &b)) != NULL; j++) {
				memset(payload, (int)(j & 0xff), sizeof(payload));
				ck_assert_uint_eq(e->kind, j);
				ck_assert_uint_eq(e->len, j % sizeof(payload));
				ck_assert_mem_eq(e->payload, payload, e->len);
			}
			queue_done(q, &b);
		}
	}
}
END_TEST

START_TEST(largest_payload_fits)
{
	static const uint8_t payload[QUEUE_PAYLOAD_MAX] = { 1, 2, 3 };

	for (int i = 0; i < 50; i++) {
		struct queue_batch b;
		const struct queue_event *e;

		queue_put(q, 1, payload, sizeof(payload));
		ck_assert(queue_take(q, &b));
		e = queue_next(q, &b);
		ck_assert_mem_eq(e->payload, payload, sizeof(payload));
		ck_assert_ptr_null(queue_next(q, &b));
		queue_done(q, &b);
	}
}
END_TEST

START_TEST(failed_batch_is_handed_out_again)
{
	struct queue_batch b;
	struct queue_stats st;

	queue_put(q, 1, NULL, 0);
	queue_put(q, 2, NULL, 0);
	ck_assert(queue_take(q, &b));
	ck_assert_uint_eq(queue_next(q, &b)->kind, 1);
	ck_assert(queue_failed(q, -ENOSPC));
	queue_stats(q, &st);
	ck_assert_int_eq(st.error, -ENOSPC);
	ck_assert_uint_gt(st.queued_bytes, 0);

	ck_assert(queue_take(q, &b));
	ck_assert_uint_eq(queue_next(q, &b)->kind, 1);
	ck_assert_uint_eq(queue_next(q, &b)->kind, 2);
	ck_assert_ptr_null(queue_next(q, &b));
	queue_done(q, &b);
	queue_stats(q, &st);
	ck_assert_int_eq(st.error, 0);
	ck_assert_uint_eq(st.queued_bytes, 0);
	ck_assert_uint_eq(st.events, 2);
	ck_assert_uint_eq(st.batches, 1);
}
END_TEST

START_TEST(batch_leaves_room_for_producers)
{
	static const uint8_t payload[256];
	struct queue_batch b;
	size_t bytes = 0;

	for (int i = 0; i < 40; i++)
		queue_put(q, 1, payload, sizeof(payload));
	ck_assert(queue_take(q, &b));
	while (queue_next(q, &b))
		bytes += sizeof(payload);
	ck_assert_uint_lt(bytes, RING_BYTES / 2);
	ck_assert_uint_ge(bytes, RING_BYTES / 8);
	queue_done(q, &b);
}
END_TEST

START_TEST(sync_of_an_empty_queue_returns_at_once)
{
	ck_assert_int_eq(queue_sync(q), 0);
}
END_TEST

START_TEST(stopped_queue_hands_out_the_rest_then_ends)
{
	struct queue_batch b;

	queue_put(q, 1, NULL, 0);
	queue_stop(q);
	ck_assert(queue_take(q, &b));
	ck_assert_uint_eq(queue_next(q, &b)->kind, 1);
	queue_done(q, &b);
	ck_assert(!queue_take(q, &b));
}
END_TEST

START_TEST(stopped_queue_gives_up_after_a_while)
{
	struct queue_batch b;
	int tries = 0;

	queue_put(q, 1, NULL, 0);
	queue_stop(q);
	do {
		ck_assert(queue_take(q, &b));
		tries++;
	} while (queue_failed(q, -ENOSPC));
	ck_assert_int_gt(tries, 3);
}
END_TEST

/* ---- with a consumer thread ---- */

struct consumer {
	pthread_t thread;
	uint32_t next[NPRODUCERS]; /* the consumer's until it is joined */
	unsigned int fail_every;   /* constant; 0: never */
	atomic_bool failing;	   /* every batch fails */
	bool in_order;
};

static void consume(struct consumer *c, const struct queue_event *e)
{
	const struct fill *f = (const void *)e->payload;

	if (f->seq != c->next[f->producer])
		c->in_order = false;
	c->next[f->producer] = f->seq + 1;
}

static void *consumer_main(void *arg)
{
	struct consumer *c = arg;
	struct queue_batch b;

	for (unsigned int i = 1; queue_take(q, &b); i++) {
		uint32_t before[NPRODUCERS];
		const struct queue_event *e;

		memcpy(before, c->next, sizeof(before));
		while ((e = queue_next(q, &b)) != NULL)
			consume(c, e);
		if (c->failing || (c->fail_every > 0 && i % c->fail_every == 0)) {
			memcpy(c->next, before, sizeof(before)); /* the rollback */
			if (!queue_failed(q, -EIO))
				break;
		} else {
			queue_done(q, &b);
		}
	}
	return NULL;
}

static void *producer_main(void *arg)
{
	struct fill f = { .producer = *(uint32_t *)arg };

	for (uint32_t i = 0; i < PER_PRODUCER; i++) {
		f.seq = i;
		queue_put(q, 1, &f, 8 + i % sizeof(f.rest));
	}
	return NULL;
}

static void run_producers(struct consumer *c)
{
	pthread_t threads[NPRODUCERS];
	uint32_t ids[NPRODUCERS];

	c->in_order = true;
	ck_assert_int_eq(pthread_create(&c->thread, NULL, consumer_main, c), 0);
	for (uint32_t i = 0; i < NPRODUCERS; i++) {
		ids[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, producer_main, &ids[i]), 0);
	}
	for (int i = 0; i < NPRODUCERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void finish(struct consumer *c)
{
	queue_stop(q);
	ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
	ck_assert(c->in_order);
	for (int i = 0; i < NPRODUCERS; i++)
		ck_assert_uint_eq(c->next[i], PER_PRODUCER);
}

START_TEST(full_queue_makes_producers_wait_and_loses_nothing)
{
	struct consumer c = { 0 };
	struct queue_stats st;

	run_producers(&c);
	ck_assert_int_eq(queue_sync(q), 0);
	queue_stats(q, &st);
	ck_assert_uint_eq(st.events, NPRODUCERS * PER_PRODUCER);
	ck_assert_uint_eq(st.queued_bytes, 0);
	ck_assert_uint_gt(st.waits, 0);
	ck_assert_uint_lt(st.batches, st.events / 4);
	finish(&c);
}
END_TEST

START_TEST(failing_batches_lose_nothing)
{
	struct consumer c = { .fail_every = 50 };

	run_producers(&c);
	finish(&c);
}
END_TEST

/* A disk that stays full must not stop those who only want to go on; it is counted what they lose. */
START_TEST(full_queue_that_goes_on_failing_drops)
{
	struct consumer c = { .failing = true, .in_order = true };
	struct fill f = { 0 };
	struct queue_stats st = { 0 };
	uint64_t put = 0;

	ck_assert_int_eq(pthread_create(&c.thread, NULL, consumer_main, &c), 0);
	for (; st.lost < 10; put++) {
		queue_put(q, 1, &f, sizeof(f));
		f.seq++;
		queue_stats(q, &st);
	}
	ck_assert_uint_eq(st.events + st.lost, put);
	ck_assert_uint_eq(queue_lost(q), 10);
	c.failing = false;
	while (queue_sync(q) < 0)
		;				 /* an attempt may have begun before */
	ck_assert_uint_eq(c.next[0], st.events); /* what was taken in is whole and in order */
	queue_put(q, 1, &f, sizeof(f));
	queue_stats(q, &st);
	ck_assert_uint_eq(st.lost, 10);
	c.in_order = true; /* but for the gap */
	queue_stop(q);
	ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
}
END_TEST

START_TEST(sync_waits_for_what_was_put)
{
	struct consumer c = { 0 };
	struct fill f = { 0 };
	struct queue_stats st;

	c.in_order = true;
	ck_assert_int_eq(pthread_create(&c.thread, NULL, consumer_main, &c), 0);
	for (f.seq = 0; f.seq < 200; f.seq++) {
		queue_put(q, 1, &f, sizeof(f));
		ck_assert_int_eq(queue_sync(q), 0);
		queue_stats(q, &st);
		ck_assert_uint_eq(st.queued_bytes, 0);
	}
	queue_stop(q);
	ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
	ck_assert_uint_eq(c.next[0], 200);
}
END_TEST

START_TEST(sync_reports_a_failure_and_ends_the_pause)
{
	struct consumer c = { .failing = true, .in_order = true };
	struct fill f = { 0 };
	int64_t t;

	ck_assert_int_eq(pthread_create(&c.thread, NULL, consumer_main, &c), 0);
	queue_put(q, 1, &f, sizeof(f));
	t = clock_mono_ns();
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(queue_sync(q), -EIO);
	c.failing = false;
	while (queue_sync(q) < 0)
		; /* an attempt may have begun before */
	/* The pauses alone would add up to more than 40 s. */
	ck_assert_int_lt(clock_mono_ns() - t, 20 * NS_PER_S);
	queue_stop(q);
	ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		events_come_out_in_order_and_whole,
		events_wrap_around_the_end_of_the_ring,
		largest_payload_fits,
		failed_batch_is_handed_out_again,
		batch_leaves_room_for_producers,
		sync_of_an_empty_queue_returns_at_once,
		stopped_queue_hands_out_the_rest_then_ends,
		stopped_queue_gives_up_after_a_while,
		full_queue_makes_producers_wait_and_loses_nothing,
		failing_batches_lose_nothing,
		full_queue_that_goes_on_failing_drops,
		sync_waits_for_what_was_put,
		sync_reports_a_failure_and_ends_the_pause,
	};

	return RUN_TESTS("queue", tests, setup, teardown);
}
