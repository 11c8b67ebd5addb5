/* SPDX-License-Identifier: MIT */
/*
 * The reader changes itself, and tells so before (`changing`) and after; the watch can only bring it back, which it
 * repeats until the reader is seen to change nothing. No lock: the reader may be off its CPU at any moment.
 */
#include "fuse/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/parse.h"

/*
 * The reader is looked after so often, and must have served so many requests since. Source: a slice of the scheduler is
 * 3 ms; 2 ms are room for 130 requests of 15 us.
 */
#define TICK_NS (2 * NS_PER_MS)
#define TICK_REQUESTS 20

/* After requests had to wait: not again for so long, twice as long each time. */
#define PAUSE_MIN_NS (100 * NS_PER_MS)
#define PAUSE_MAX_NS (10 * NS_PER_S)
/* That is forgotten after so many requests without. Source: a second of them, and more. */
#define PAUSE_FORGOTTEN 100000

/* Quick succession: from one request to the next. Source: a client that does nothing else asks again after 15 to 40 us. */
#define QUICK_NS (100 * NS_PER_US)

/* A request that was there within this time was found waiting. Source: as in readers.c. */
#define FOUND_NS 2500

/* Credit of a client that asks again, and of another or a slow one; of several at a time none lasts. */
#define CREDIT_SAME 1
#define CREDIT_OTHER 16
#define CREDIT_ON 16
#define CREDIT_MAX 32

/* A request that was not found waiting may mean that the client is elsewhere: looks in vain make them rarer. */
#define REST_MAX 15

enum state { OFF, ON, LEAVING };

struct beside {
	/* Constant. */
	int device_fd; /* borrowed */
	int timer_fd;  /* owned */
	pthread_t watch;

	/* The reader's own. */
	pid_t client;
	unsigned int credit;
	unsigned int rest;	/* requests after a look that was in vain */
	unsigned int rest_left; /* of these */
	unsigned int cpu;	/* where it is held */
	int64_t last_mono_ns;	/* its last request */
	bool may;		/* its policy is to be changed by us */

	_Atomic pid_t reader; /* 0 until it has begun; set once */
	cpu_set_t cpus;	      /* constant from then on: what it had */
	_Atomic int state;    /* enum state; ON to LEAVING by the watch, the rest by the reader */
	_Atomic bool changing;
	_Atomic uint64_t served;
	_Atomic bool starved; /* by the watch: as it left; taken by the reader */
	_Atomic bool stopped;

	/* The reader's own: since a request had to wait. */
	int64_t pause_ns;
	int64_t not_before_mono_ns;
	uint64_t pause_forgotten; /* at so many served */
};

static int set_policy(pid_t tid, int policy)
{
	struct sched_param none = { 0 };

	return sched_setscheduler(tid, policy, &none) < 0 ? -errno : 0;
}

/* As it was; of both threads, and as often as one likes. */
static void bring_back(struct beside *b)
{
	pid_t reader = atomic_load(&b->reader);

	(void)set_policy(reader, SCHED_OTHER);
	(void)sched_setaffinity(reader, sizeof(b->cpus), &b->cpus);
}

/* ---- the watch ---- */

/* Once: what comes late must not be followed by one that comes early. */
static void set_timer(struct beside *b)
{
	struct itimerspec in = { .it_value.tv_nsec = TICK_NS };

	(void)timerfd_settime(b->timer_fd, 0, &in, NULL);
}

static bool is_request_waiting(const struct beside *b)
{
	struct pollfd p = { .fd = b->device_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void look_after(struct beside *b, uint64_t *last)
{
	uint64_t served = atomic_load(&b->served);
	bool slow = served - *last < TICK_REQUESTS;
	int state = ON;
	bool changing;

	*last = served;
	if (slow && atomic_load(&b->state) == ON) {
		atomic_store(&b->starved, is_request_waiting(b));
		if (!atomic_compare_exchange_strong(&b->state, &state, LEAVING))
			atomic_store(&b->starved, false);
	}
	changing = atomic_load(&b->changing);
	state = atomic_load(&b->state);
	if (state == LEAVING)
		bring_back(b);
	if (state == ON || changing) /* else whoever enters sets it */
		set_timer(b);
}

static void *watch(void *arg)
{
	struct beside *b = arg;
	uint64_t last = 0, times;

	while (!atomic_load(&b->stopped)) {
		if (read(b->timer_fd, &times, sizeof(times)) == sizeof(times))
			look_after(b, &last);
	}
	return NULL;
}

/* ---- the reader ---- */

/* The CPU that a thread is on, or was when it went to sleep; -1: it cannot be told. Field 39 of proc_pid_stat(5). */
static int cpu_of(pid_t tid)
{
	_cleanup_close_ int fd = -1;
	char path[32], text[1024];
	uint64_t cpu;
	ssize_t n;
	char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strrchr(text, ')'); /* a name may hold anything else; it is field 2 */
	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -1;
	at[1 + strcspn(at + 1, " \n")] = '\0';
	return parse_u64(at + 1, &cpu) == 0 && cpu < CPU_SETSIZE ? (int)cpu : -1;
}

/* Between begin and end the watch goes on bringing back what it wants to have back. */
static void begin_change(struct beside *b)
{
	atomic_store(&b->changing, true);
}

static void end_change(struct beside *b)
{
	if (atomic_load(&b->state) != ON)
		bring_back(b);
	atomic_store(&b->changing, false);
}

/* Where the client is. Not where this process may not be. */
static void go(struct beside *b, unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	b->cpu = cpu;
	(void)sched_setaffinity(0, sizeof(one), &one);
}

static void leave(struct beside *b)
{
	begin_change(b);
	b->credit = 0;
	atomic_store(&b->state, OFF);
	end_change(b);
}

static void enter(struct beside *b)
{
	int cpu = cpu_of(b->client);
	cpu_set_t cpus;

	b->credit = 0; /* if it does not come to that: later again */
	if (cpu < 0 || !CPU_ISSET(cpu, &b->cpus) || sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ||
	    !CPU_EQUAL(&cpus, &b->cpus))
		return; /* somebody else may have decided where it runs since it began */
	b->credit = CREDIT_ON;
	b->rest = b->rest_left = 0;
	begin_change(b);
	atomic_store(&b->state, ON);
	set_timer(b);
	go(b, (unsigned int)cpu);
	if (set_policy(0, SCHED_IDLE) < 0)
		atomic_store(&b->state, OFF);
	end_change(b);
}

static void follow(struct beside *b)
{
	int cpu;

	if (b->rest_left > 0) {
		b->rest_left--;
		return;
	}
	cpu = cpu_of(b->client);
	if (cpu < 0 || (unsigned int)cpu == b->cpu) {
		b->rest = b->rest * 2 + 1 < REST_MAX ? b->rest * 2 + 1 : REST_MAX;
		b->rest_left = b->rest;
		return;
	}
	b->rest = 0;
	if (!CPU_ISSET(cpu, &b->cpus)) {
		leave(b);
		return;
	}
	begin_change(b);
	go(b, (unsigned int)cpu);
	end_change(b);
}

/* The watch has brought it back. */
static void was_left(struct beside *b)
{
	bool starved = atomic_exchange(&b->starved, false);

	leave(b);
	if (starved) {
		b->pause_ns = b->pause_ns == 0		       ? PAUSE_MIN_NS
			      : b->pause_ns * 2 < PAUSE_MAX_NS ? b->pause_ns * 2
							       : PAUSE_MAX_NS;
		b->not_before_mono_ns = clock_mono_ns() + b->pause_ns;
		b->pause_forgotten = atomic_load(&b->served) + PAUSE_FORGOTTEN;
	}
}

static void give_credit(struct beside *b, pid_t client, int64_t now)
{
	if (client == b->client && now - b->last_mono_ns < QUICK_NS)
		b->credit =
			b->credit + CREDIT_SAME < CREDIT_MAX ? b->credit + CREDIT_SAME : CREDIT_MAX;
	else
		b->credit = b->credit > CREDIT_OTHER ? b->credit - CREDIT_OTHER : 0;
	b->client = client;
	b->last_mono_ns = now;
}

static bool is_time(struct beside *b, uint64_t served, int64_t now)
{
	if (b->pause_ns > 0 && served > b->pause_forgotten)
		b->pause_ns = 0;
	return b->pause_ns == 0 || now >= b->not_before_mono_ns;
}

/* It has a policy and a niceness that somebody gave it: those stay. */
static void introduce(struct beside *b)
{
	b->may = sched_getscheduler(0) == SCHED_OTHER &&
		 sched_getaffinity(0, sizeof(b->cpus), &b->cpus) == 0;
	atomic_store(&b->reader, (pid_t)syscall(SYS_gettid));
}

void beside_began(struct beside *b, pid_t client, int64_t asked_mono_ns, bool alone)
{
	uint64_t served = atomic_load_explicit(&b->served, memory_order_relaxed) + 1;
	int64_t now = clock_mono_ns();
	int state = atomic_load(&b->state);

	atomic_store_explicit(&b->served, served, memory_order_relaxed);
	if (served == 1)
		introduce(b);
	if (state == LEAVING)
		was_left(b);
	if (client == 0 || !b->may)
		return;
	give_credit(b, client, now);
	if (state == ON && (!alone || b->credit == 0))
		leave(b);
	else if (state == ON && now - asked_mono_ns < FOUND_NS)
		b->rest = b->rest_left = b->rest / 2;
	else if (state == ON)
		follow(b);
	else if (state == OFF && alone && b->credit >= CREDIT_ON && is_time(b, served, now))
		enter(b);
}

bool beside_is_on(const struct beside *b)
{
	return atomic_load_explicit(&b->state, memory_order_relaxed) == ON;
}

/* ---- beginning and end ---- */

/* Whether a thread may come back from idle policy: one that is not needed any more finds out. */
static void *find_out(void *arg)
{
	int *result = arg;

	*result = set_policy(0, SCHED_IDLE);
	if (*result == 0)
		*result = set_policy(0, SCHED_OTHER);
	return NULL;
}

static int can_come_back(void)
{
	pthread_t thread;
	int result = 0;
	int err = pthread_create(&thread, NULL, find_out, &result);

	if (err)
		return -err;
	(void)pthread_join(thread, NULL);
	return result;
}

int beside_new(int device_fd, struct beside **ret)
{
	_cleanup_free_ struct beside *b = calloc(1, sizeof(*b));
	int r = can_come_back();

	if (!b)
		return -ENOMEM;
	if (r < 0)
		return r;
	b->device_fd = device_fd;
	b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (b->timer_fd < 0)
		return -errno;
	r = pthread_create(&b->watch, NULL, watch, b);
	if (r) {
		(void)safe_close(b->timer_fd);
		return -r;
	}
	*ret = TAKE_PTR(b);
	return 0;
}

void beside_free(struct beside *b)
{
	if (!b)
		return;
	atomic_store(&b->stopped, true);
	set_timer(b);
	(void)pthread_join(b->watch, NULL);
	(void)safe_close(b->timer_fd);
	free(b);
}
