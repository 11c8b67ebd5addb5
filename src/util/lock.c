/* SPDX-License-Identifier: MIT */
/*
 * Ranked mutexes. The record of held ranks is thread-local and exists in debug builds only; a release
 * build pays for the mutex alone.
 */
#include "util/lock.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <time.h>

#ifndef NDEBUG
#define HELD_MAX 8
static __thread const struct lock *held[HELD_MAX];
static __thread int nheld;

static void record(const struct lock *l)
{
	assert(nheld < HELD_MAX);
	assert(nheld == 0 || held[nheld - 1]->rank < l->rank);
	held[nheld++] = l;
}

static void unrecord(const struct lock *l)
{
	int i = nheld - 1;

	while (i >= 0 && held[i] != l)
		i--;
	assert(i >= 0);
	for (; i < nheld - 1; i++)
		held[i] = held[i + 1];
	nheld--;
}

void lock_assert_none(void)
{
	assert(nheld == 0);
}
#else
static void record(const struct lock *l)
{
	(void)l;
}

static void unrecord(const struct lock *l)
{
	(void)l;
}

void lock_assert_none(void)
{
}
#endif

void lock_init(struct lock *l, enum lock_rank rank)
{
	(void)pthread_mutex_init(&l->mutex, NULL); /* never fails on Linux for the default type */
	l->rank = rank;
}

void lock_done(struct lock *l)
{
	(void)pthread_mutex_destroy(&l->mutex);
}

void lock_take(struct lock *l)
{
	record(l);
	(void)pthread_mutex_lock(&l->mutex); /* fails only for recursion, which the ranks exclude */
}

void lock_drop(struct lock *l)
{
	unrecord(l);
	(void)pthread_mutex_unlock(&l->mutex);
}

void lock_wait(struct lock *l, pthread_cond_t *cond)
{
	(void)pthread_cond_wait(cond, &l->mutex);
}

int lock_wait_until(struct lock *l, pthread_cond_t *cond, int64_t deadline_mono_ns)
{
	struct timespec ts = {
		.tv_sec = deadline_mono_ns / 1000000000,
		.tv_nsec = deadline_mono_ns % 1000000000,
	};

	return -pthread_cond_timedwait(cond, &l->mutex, &ts);
}

void lock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}
