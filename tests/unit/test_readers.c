/* SPDX-License-Identifier: MIT */
/*
 * How many threads read: called and sent to rest by what the others see.
 */
#include "fuse/readers.h"

#include <pthread.h>
#include <sched.h>

#include "scratch.h"
#include "util/clock.h"

static struct readers *readers;

static void setup(void)
{
	ck_assert_int_eq(readers_new(4, &readers), 0);
	ck_assert_int_eq(readers_watch(readers), 0);
}

static void teardown(void)
{
	readers_free(readers);
}

/* One request that was found waiting, or that was waited for. */
static void serve(unsigned int self, bool found)
{
	readers_begin(readers, self, clock_mono_ns() - (found ? 0 : NS_PER_S));
	readers_end(readers, self);
}

/* Requests of one kind until so many readers are wanted; the test's time limit ends it otherwise. */
static void serve_until(bool found, unsigned int wanted)
{
	while (readers_wanted(readers) != wanted)
		serve(0, found);
}

START_TEST(one_reads_at_first)
{
	ck_assert_uint_eq(readers_wanted(readers), 1);
	ck_assert(readers_turn(readers, 0));
	for (int i = 0; i < 1000; i++)
		serve(0, false);
	ck_assert_uint_eq(readers_wanted(readers), 1);
}
END_TEST

START_TEST(requests_found_waiting_call_more)
{
	serve_until(true, 2);
	serve_until(true, 4); /* all there are */
}
END_TEST

START_TEST(idle_readers_go_to_rest)
{
	serve_until(true, 3);
	serve_until(false, 1);
}
END_TEST

static void *rest(void *arg)
{
	bool *ret_turn = arg;

	*ret_turn = readers_turn(readers, 1);
	return NULL;
}

START_TEST(whoever_is_held_up_is_replaced)
{
	bool turn = false;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, rest, &turn), 0);
	readers_begin(readers, 0, 0);
	(void)pthread_join(thread, NULL);
	ck_assert(turn);
	readers_begin(readers, 1, 0); /* so is the other one */
	while (readers_wanted(readers) == 2)
		(void)sched_yield();
	readers_end(readers, 1);
	readers_end(readers, 0);
}
END_TEST

START_TEST(nobody_rests_who_stands_in_for_one_that_is_held_up)
{
	readers_begin(readers, 0, 0);
	while (readers_wanted(readers) == 1)
		(void)sched_yield();
	for (int i = 0; i < 1000; i++) {
		serve(1, false);
		ck_assert_uint_ge(readers_wanted(readers), 2);
	}
	readers_end(readers, 0);
	serve_until(false, 1);
}
END_TEST

START_TEST(the_end_wakes_those_who_rest)
{
	bool turn = true;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, rest, &turn), 0);
	readers_stop(readers);
	(void)pthread_join(thread, NULL);
	ck_assert(!turn);
	readers_free(NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_reads_at_first,
		requests_found_waiting_call_more,
		idle_readers_go_to_rest,
		whoever_is_held_up_is_replaced,
		nobody_rests_who_stands_in_for_one_that_is_held_up,
		the_end_wakes_those_who_rest,
	};

	return RUN_TESTS("readers", tests, setup, teardown);
}
