/* SPDX-License-Identifier: MIT */
/*
 * A worker and its bounded queue.
 */
#include "seal/work.h"

#include <sched.h>
#include <stdatomic.h>

#include "scratch.h"

static struct work *worker;
static _Atomic int begun;
static _Atomic int done;
static _Atomic uint64_t last;
static _Atomic bool hold;
static _Atomic bool in_order;
static _Atomic int policy, hurried, begun_as;
static int ndropped;

static void begin(void *ctx)
{
	ck_assert_ptr_eq(ctx, &worker);
	atomic_store(&begun_as, sched_getscheduler(0));
	atomic_fetch_add(&begun, 1);
}

static void one(void *ctx, const struct work_item *item)
{
	(void)ctx;
	work_hurry(worker, false);
	atomic_store(&policy, sched_getscheduler(0));
	work_hurry(worker, true);
	atomic_store(&hurried, sched_getscheduler(0));
	while (atomic_load(&hold) && !work_is_ending(worker))
		(void)poll(NULL, 0, 1);
	if (item->ino != atomic_load(&last) + 1)
		atomic_store(&in_order, false);
	atomic_store(&last, item->ino);
	atomic_fetch_add(&done, 1);
}

static void drop(void *ctx, const struct work_item *item)
{
	(void)ctx;
	(void)item;
	ndropped++;
}

static struct work_config config_of(uint32_t capacity, int niceness, int64_t delay_ns)
{
	return (struct work_config){
		.capacity = capacity,
		.niceness = niceness,
		.idle = niceness == 0,
		.delay_ns = delay_ns,
		.dropped = drop,
		.begin = begin,
		.one = one,
		.ctx = &worker,
	};
}

static void make(const struct work_config *config)
{
	atomic_store(&begun, 0);
	atomic_store(&done, 0);
	atomic_store(&last, 0);
	atomic_store(&hold, false);
	atomic_store(&in_order, true);
	ndropped = 0;
	ck_assert_int_eq(work_new(config, &worker), 0);
}

static void start_with(const struct work_config *config)
{
	make(config);
	ck_assert_int_eq(work_start(worker), 0);
}

static void start(uint32_t capacity, int niceness, int64_t delay_ns)
{
	struct work_config config = config_of(capacity, niceness, delay_ns);

	start_with(&config);
}

static bool put(uint64_t ino)
{
	struct work_item item = { .ino = ino };

	return work_put(worker, &item);
}

/* Wait for room. */
static void put_soon(uint64_t ino)
{
	bool ok = false;

	EVENTUALLY(ok = ok || put(ino));
}

static void nothing(void)
{
}

START_TEST(files_are_done_in_order)
{
	start(8, 5, 0);
	for (uint64_t i = 1; i <= 1000; i++)
		put_soon(i);
	EVENTUALLY(atomic_load(&done) == 1000);
	ck_assert(atomic_load(&in_order));
	ck_assert_int_eq(atomic_load(&begun), 1);
	work_free(worker);
}
END_TEST

START_TEST(full_queue_drops)
{
	start(4, 5, 0);
	atomic_store(&hold, true);
	ck_assert(put(1));
	for (uint64_t i = 2; i <= 5; i++)
		put_soon(i); /* the first is taken out of the queue soon */
	ck_assert(!put(6));
	atomic_store(&hold, false);
	EVENTUALLY(atomic_load(&done) == 5);
	ck_assert(put(6));
	EVENTUALLY(atomic_load(&done) == 6);
	work_free(worker);
}
END_TEST

START_TEST(files_are_left_alone_for_a_while)
{
	int64_t begin_ns = clock_mono_ns();

	start(4, 5, 30 * NS_PER_MS);
	ck_assert(put(1));
	ck_assert(put(2));
	EVENTUALLY(atomic_load(&done) == 2);
	ck_assert_int_ge(clock_mono_ns() - begin_ns, 30 * NS_PER_MS);
	work_free(worker);
}
END_TEST

START_TEST(who_waits_lets_others_go_first)
{
	struct work_item later = { .ino = 3 };

	start(4, 5, 0);
	atomic_store(&hold, true);
	ck_assert(put(1));
	ck_assert(work_put_later(worker, &later, NS_PER_S)); /* this thread may be held up here */
	ck_assert(put(2));
	atomic_store(&hold, false);
	EVENTUALLY(atomic_load(&done) == 3);
	ck_assert(atomic_load(&in_order));
	work_free(worker);
}
END_TEST

START_TEST(idle_policy_but_in_a_hurry)
{
	start(2, 0, 0);
	put_soon(1);
	EVENTUALLY(atomic_load(&done) == 1);
	put_soon(2);
	EVENTUALLY(atomic_load(&done) == 2);
	ck_assert_int_eq(atomic_load(&begun_as), SCHED_OTHER);
	ck_assert_int_eq(atomic_load(&policy), SCHED_IDLE);
	ck_assert_int_eq(atomic_load(&hurried), SCHED_OTHER);
	work_free(worker);
}
END_TEST

/* ---- making way ---- */

static _Atomic uint64_t looks;
static _Atomic bool calm;
static _Atomic int64_t rested_ns; /* the longest that work_rest() took */

/* Clients make requests all the time, or none. */
static uint64_t traffic(void *ctx)
{
	ck_assert_ptr_eq(ctx, &worker);
	return atomic_load(&calm) ? 0 : atomic_fetch_add(&looks, 1) + 1;
}

/* Ten milliseconds of the processor's time. */
static void one_that_works(void *ctx, const struct work_item *item)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + 10 * NS_PER_MS;
	int64_t before;

	(void)ctx;
	(void)item;
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
	before = clock_mono_ns();
	work_rest(worker);
	atomic_store(&rested_ns, clock_mono_ns() - before);
	atomic_fetch_add(&done, 1);
	while (atomic_load(&hold) && !work_is_ending(worker))
		(void)poll(NULL, 0, 1);
}

static void start_traffic(bool is_calm)
{
	struct work_config config = config_of(8, 0, 0);

	atomic_store(&looks, 0);
	atomic_store(&calm, is_calm);
	config.one = one_that_works;
	config.traffic = traffic;
	start_with(&config);
}

START_TEST(rests_while_clients_are_at_work)
{
	start_traffic(false);
	ck_assert(put(1));
	EVENTUALLY(atomic_load(&done) == 1);
	ck_assert_int_ge(atomic_load(&rested_ns), 100 * NS_PER_MS);
	ck_assert_uint_lt(atomic_load(&looks), 16); /* further and further apart */
	work_free(worker);
}
END_TEST

START_TEST(rests_less_when_many_wait)
{
	start_traffic(false);
	atomic_store(&hold, true);
	ck_assert(put(1));
	EVENTUALLY(atomic_load(&done) == 1); /* the others come after it was taken out */
	for (uint64_t i = 2; i <= 6; i++)
		ck_assert(put(i));
	atomic_store(&looks, 0);
	atomic_store(&hold, false);
	EVENTUALLY(atomic_load(&done) >= 2);
	ck_assert_uint_le(atomic_load(&looks), 2); /* one at each look, and none for resting */
	work_free(worker);
}
END_TEST

START_TEST(rests_not_when_it_is_calm)
{
	start_traffic(true);
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert(put(i));
	EVENTUALLY(atomic_load(&done) == 3);
	work_free(worker);
}
END_TEST

START_TEST(end_ends_the_rest)
{
	start_traffic(false);
	ck_assert(put(1));
	EVENTUALLY(atomic_load(&looks) >= 1);
	work_end(worker); /* or it would be there for 150 ms */
	ck_assert_int_le(atomic_load(&done), 1);
	work_free(worker);
}
END_TEST

START_TEST(end_drops_what_waits)
{
	start(4, 5, 0);
	atomic_store(&hold, true);
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert(put(i));
	work_end(worker);
	ck_assert_int_le(atomic_load(&done), 1);
	ck_assert_int_eq(atomic_load(&done) + ndropped, 3);
	ck_assert(!put(4));
	work_free(worker);
	work_free(NULL);
}
END_TEST

START_TEST(files_wait_for_the_start)
{
	struct work_config config = config_of(4, 5, 0);

	make(&config);
	ck_assert(put(1));
	ck_assert(put(2));
	ck_assert_int_eq(atomic_load(&begun), 0);
	ck_assert_int_eq(work_start(worker), 0);
	EVENTUALLY(atomic_load(&done) == 2);
	work_free(worker);
	ck_assert_int_eq(work_start(NULL), 0);
}
END_TEST

START_TEST(end_drops_what_waits_for_the_start)
{
	struct work_config config = config_of(4, 5, 0);

	make(&config);
	ck_assert(put(1));
	work_end(worker);
	ck_assert_int_eq(atomic_load(&done), 0);
	ck_assert_int_eq(ndropped, 1);
	ck_assert(!put(2));
	work_free(worker);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		files_are_done_in_order,
		full_queue_drops,
		files_are_left_alone_for_a_while,
		who_waits_lets_others_go_first,
		idle_policy_but_in_a_hurry,
		rests_while_clients_are_at_work,
		rests_less_when_many_wait,
		rests_not_when_it_is_calm,
		end_ends_the_rest,
		end_drops_what_waits,
		files_wait_for_the_start,
		end_drops_what_waits_for_the_start,
	};

	return RUN_TESTS("work", tests, nothing, nothing);
}
