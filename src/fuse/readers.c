/* SPDX-License-Identifier: MIT */
/*
 * The number of readers is reconsidered once per WINDOW requests, by the thread that ends the last of them: more, if
 * most of them were found waiting, fewer, if the readers were mostly idle. Requests are not counted exactly, nobody
 * minds; every decision that matters is under the lock.
 *
 * A reader may be held up in a request (a cold disk, a large unlink). While it is the only one, nobody would read the
 * requests of others; so a timer runs while requests are served, and when it ends and every reader has been in
 * the same request for HELD_UP_NS, one more is called. It is set at most once in WATCH_NS, and costs nothing while
 * there are no requests.
 */
#include "fuse/readers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"

/* Requests between two decisions. Source: some milliseconds of one busy client. */
#define WINDOW 64

/* A request that was there within this time was found waiting. Source: a thread switch takes longer. */
#define FOUND_NS 2500

/* Out of WINDOW, found waiting: one more reader. A single client leaves its RELEASE behind, one in three. */
#define FOUND_MANY (WINDOW * 3 / 5)

/* When the watch looks, and for how long a reader must have been in its request to count as held up. */
#define WATCH_NS (10 * NS_PER_MS)
#define HELD_UP_NS (5 * NS_PER_MS)

struct reader {
	_Atomic int64_t since_mono_ns; /* when it began its request; 0: it has none */
	char pad[56];		       /* a cache line each: they are written all the time */
};

struct readers {
	/* Constant. */
	unsigned int max;
	int timer_fd; /* owned */
	pthread_t watch;
	bool watching;

	struct lock lock; /* rank LOCK_READERS */
	pthread_cond_t wake;
	bool stopped;		     /* lock */
	int64_t window_mono_ns;	     /* lock: since when the counters below count */
	_Atomic unsigned int wanted; /* changes under lock */

	_Atomic bool timer_set;
	_Atomic uint32_t requests; /* of this window */
	_Atomic uint32_t found;
	_Atomic int64_t busy_ns;
	struct reader readers[]; /* max of them */
};

static void want_locked(struct readers *r, unsigned int n)
{
	if (r->stopped)
		return;
	if (n > atomic_load(&r->wanted))
		(void)pthread_cond_broadcast(&r->wake);
	atomic_store(&r->wanted, n);
}

static void want_more(struct readers *r)
{
	unsigned int n;

	LOCK_SCOPE(&r->lock);
	n = atomic_load(&r->wanted);
	if (n < r->max)
		want_locked(r, n + 1);
}

/* The first n readers. */
static bool held_up(const struct readers *r, unsigned int n, int64_t for_ns)
{
	int64_t now = clock_mono_ns();

	for (unsigned int i = 0; i < n; i++) {
		int64_t since = atomic_load(&r->readers[i].since_mono_ns);

		if (since == 0 || now - since < for_ns)
			return false;
	}
	return true;
}

static bool all_held_up(const struct readers *r, int64_t for_ns)
{
	return held_up(r, atomic_load(&r->wanted), for_ns);
}

static void set_timer(struct readers *r)
{
	struct itimerspec in = { .it_value.tv_nsec = WATCH_NS };

	if (atomic_load(&r->timer_set) || atomic_exchange(&r->timer_set, true))
		return;
	(void)timerfd_settime(r->timer_fd, 0, &in, NULL);
}

static bool is_stopped(struct readers *r)
{
	LOCK_SCOPE(&r->lock);
	return r->stopped;
}

static void *watch(void *arg)
{
	struct readers *r = arg;
	uint64_t times;

	(void)pthread_setname_np(pthread_self(), "readers");
	while (!is_stopped(r)) {
		if (read(r->timer_fd, &times, sizeof(times)) < 0)
			continue;
		atomic_store(&r->timer_set, false);
		if (all_held_up(r, 1))
			set_timer(r); /* whoever comes to read is watched in his turn */
		if (all_held_up(r, HELD_UP_NS))
			want_more(r);
	}
	return NULL;
}

int readers_new(unsigned int max, struct readers **ret)
{
	_cleanup_(readers_freep) struct readers *r =
		calloc(1, sizeof(*r) + max * sizeof(struct reader));

	if (!r)
		return -ENOMEM;
	r->max = max;
	atomic_init(&r->wanted, 1);
	r->window_mono_ns = clock_mono_ns();
	lock_init(&r->lock, LOCK_READERS);
	lock_cond_init(&r->wake);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (r->timer_fd < 0)
		return -errno;
	*ret = TAKE_PTR(r);
	return 0;
}

int readers_watch(struct readers *r)
{
	int err = pthread_create(&r->watch, NULL, watch, r);

	r->watching = err == 0;
	return -err;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	readers_stop(r);
	if (r->watching)
		(void)pthread_join(r->watch, NULL);
	(void)safe_close(r->timer_fd);
	(void)pthread_cond_destroy(&r->wake);
	lock_done(&r->lock);
	free(r);
}

bool readers_turn(struct readers *r, unsigned int self)
{
	if (self < atomic_load_explicit(&r->wanted, memory_order_relaxed))
		return true; /* a session that ends is noticed by the read */
	LOCK_SCOPE(&r->lock);
	while (self >= atomic_load(&r->wanted) && !r->stopped)
		lock_wait(&r->lock, &r->wake);
	return !r->stopped;
}

void readers_begin(struct readers *r, unsigned int self, int64_t asked_mono_ns)
{
	int64_t now = clock_mono_ns();

	/* In order: either the watch, which clears timer_set and then looks, sees this, or set_timer() that. */
	atomic_store(&r->readers[self].since_mono_ns, now);
	if (now - asked_mono_ns < FOUND_NS)
		atomic_fetch_add_explicit(&r->found, 1, memory_order_relaxed);
	set_timer(r);
}

/* The window is over. */
static void decide(struct readers *r, int64_t now)
{
	uint32_t found = atomic_exchange(&r->found, 0);
	int64_t busy = atomic_exchange(&r->busy_ns, 0);
	unsigned int n;
	int64_t window;

	LOCK_SCOPE(&r->lock);
	n = atomic_load(&r->wanted);
	window = now - r->window_mono_ns;
	r->window_mono_ns = now;
	if (found >= FOUND_MANY && n < r->max)
		want_locked(r, n + 1);
	else if (n > 1 &&
		 busy < window * (n - 1) / 2 && /* one fewer would be busy half of the time */
		 !held_up(r, n - 1,
			  HELD_UP_NS)) /* and be there: such a request counts when it ends */
		want_locked(r, n - 1);
}

int64_t readers_end(struct readers *r, unsigned int self)
{
	int64_t now = clock_mono_ns();
	int64_t since =
		atomic_exchange_explicit(&r->readers[self].since_mono_ns, 0, memory_order_relaxed);

	atomic_fetch_add_explicit(&r->busy_ns, now - since, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&r->requests, 1, memory_order_relaxed) % WINDOW == WINDOW - 1)
		decide(r, now);
	return now - since;
}

void readers_stop(struct readers *r)
{
	struct itimerspec now = { .it_value.tv_nsec = 1 };

	LOCK_SCOPE(&r->lock);
	want_locked(r, 0);
	r->stopped = true;
	(void)pthread_cond_broadcast(&r->wake);
	(void)timerfd_settime(r->timer_fd, 0, &now, NULL);
}

bool readers_is_busy(const struct readers *r, unsigned int self)
{
	return atomic_load(&r->readers[self].since_mono_ns) != 0;
}

unsigned int readers_wanted(const struct readers *r)
{
	return atomic_load(&r->wanted);
}
