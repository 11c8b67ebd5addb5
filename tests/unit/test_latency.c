/* SPDX-License-Identifier: MIT */
#include "fuse/latency.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "unit.h"

#define THREADS 3
#define EACH 10000

static struct latency *latency;

static void setup(void)
{
	ck_assert_int_eq(latency_new(THREADS, 2, &latency), 0);
}

static void teardown(void)
{
	latency_free(latency);
}

/* The one bucket that has something, of an operation that had one request. */
static int bucket_with(uint64_t ns)
{
	struct latency_sum before, after;

	latency_read(latency, 1, &before);
	latency_add(latency, 0, 1, ns);
	latency_read(latency, 1, &after);
	ck_assert_uint_eq(after.sum_ns - before.sum_ns, ns);
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		if (after.bucket[i] != before.bucket[i])
			return i;
	}
	return -1;
}

START_TEST(bounds_belong_to_their_bucket)
{
	ck_assert_int_eq(bucket_with(0), 0);
	ck_assert_int_eq(bucket_with(1), 0);
	ck_assert_int_eq(bucket_with(1024), 0);
	ck_assert_int_eq(bucket_with(1025), 1);
	ck_assert_int_eq(bucket_with(2048), 1);
	ck_assert_int_eq(bucket_with(UINT64_C(1) << 32), LATENCY_BUCKETS - 2);
	ck_assert_int_eq(bucket_with((UINT64_C(1) << 32) + 1), LATENCY_BUCKETS - 1);
	ck_assert_int_eq(bucket_with(INT64_MAX), LATENCY_BUCKETS - 1);
}
END_TEST

START_TEST(operations_are_apart)
{
	struct latency_sum sum;

	latency_add(latency, 2, 1, 7);
	latency_read(latency, 0, &sum);
	ck_assert_uint_eq(sum.sum_ns, 0);
	ck_assert_uint_eq(sum.bucket[0], 0);
}
END_TEST

struct counter {
	pthread_t thread;
	unsigned int number;
};

static void *count(void *arg)
{
	const struct counter *c = arg;

	for (unsigned int i = 0; i < EACH; i++)
		latency_add(latency, c->number, i % 2, 1000);
	return NULL;
}

START_TEST(threads_are_summed_up)
{
	struct counter counters[THREADS];
	struct latency_sum sum;

	for (unsigned int i = 0; i < THREADS; i++) {
		counters[i].number = i;
		ck_assert_int_eq(pthread_create(&counters[i].thread, NULL, count, &counters[i]), 0);
	}
	latency_read(latency, 0, &sum); /* while they count */
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(counters[i].thread, NULL), 0);
	latency_read(latency, 0, &sum);
	ck_assert_uint_eq(sum.bucket[0], THREADS * EACH / 2);
	ck_assert_uint_eq(sum.sum_ns, UINT64_C(1000) * THREADS * EACH / 2);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		bounds_belong_to_their_bucket,
		operations_are_apart,
		threads_are_summed_up,
	};

	return RUN_TESTS("latency", tests, setup, teardown);
}
