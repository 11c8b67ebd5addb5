/* SPDX-License-Identifier: MIT */
/*
 * The watch changes the reader, but for the CPU that it is held on while ON: that it changes itself, and says so before
 * (`changing`); so what the watch wants to have back it brings back until the reader is seen to change nothing. No lock:
 * the reader may be off its CPU at any moment.
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
#include "util/macro.h"
#include "util/parse.h"

/*
 * The reader is looked after so often, and must have served so many requests since. Source: a slice of the scheduler is
 * 3 ms; 2 ms are room for 130 requests of 15 us.
 */
#define TICK_NS (2 * NS_PER_MS)
#define TICK_REQUESTS 20

/* From the reader's wish to the change. Source: short beside the time that it lasts, some ms; the answer goes first. */
#define CHANGE_NS (20 * NS_PER_US)

/* After requests had to wait: not again for so long, twice as long each time. */
#define PAUSE_MIN_NS (100 * NS_PER_MS)
#define PAUSE_MAX_NS (10 * NS_PER_S)
/* That is forgotten after so many requests without. Source: a second of them, and more. */
#define PAUSE_FORGOTTEN 100000

/* Quick succession: from one request to the next. Source: a client that does nothing else asks again after 15 to 40 us. */
#define QUICK_NS (100 * NS_PER_US)

/* A request that was there within this time was found waiting. Source: as in readers.c. */
#define FOUND_NS 2500

/*
 * Credit of a client that asks again; of one that was slow to, and of another; of several at a time none lasts. Source: on a
 * virtual machine 1 of 20 requests of a client that does nothing else takes longer than QUICK_NS, for the host's sake.
 */
#define CREDIT_SAME 1
#define CREDIT_SLOW 4
#define CREDIT_OTHER 16
#define CREDIT_ON 16
#define CREDIT_MAX 32

/* A request that was not found waiting may mean that the client is elsewhere: looks in vain make them rarer. */
#define REST_MAX 15

enum state { OFF, WANTED, ON, LEAVING };

struct beside {
	/* Constant. */
	int device_fd; /* borrowed */
	int timer_fd;  /* owned */
	pthread_t watch;

	/* The reader's own. */
	unsigned int credit;
	int64_t last_mono_ns;	/* when it had its last request that somebody waited for */
	bool waits;		/* somebody does, for this one */
	bool may;		/* it is all for one client at a time */
	bool ends;		/* it was so until this one */
	bool missed;		/* this one was not found waiting: its client may be elsewhere */
	unsigned int rest;	/* requests not found waiting after a look that was in vain */
	unsigned int rest_left; /* of these */

	/* The reader's while ON, the watch's else. */
	unsigned int cpu; /* where it is held */

	_Atomic pid_t reader; /* 0 until it has begun; set once */
	_Atomic pid_t client; /* by the reader */
	_Atomic uint64_t served;
	_Atomic bool changing;		    /* by the reader */
	_Atomic int state;		    /* enum state; see beside.h */
	_Atomic int64_t not_before_mono_ns; /* by the watch: it does not begin again */
	_Atomic bool stopped;

	/* The watch's own; `cpus` is constant while ON. */
	cpu_set_t cpus; /* what the reader had */
	uint64_t last;	/* served until the last look */
	int64_t last_look_mono_ns;
	int64_t pause_ns;
	uint64_t pause_forgotten; /* at so many served */
};

static int set_policy(pid_t tid, int policy)
{
	struct sched_param none = { 0 };

	return sched_setscheduler(tid, policy, &none) < 0 ? -errno : 0;
}

static int hold(pid_t tid, unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(tid, sizeof(one), &one) < 0 ? -errno : 0;
}

/* Once: what comes late must not be followed by one that comes early. */
static void set_timer(struct beside *b, int64_t in_ns)
{
	struct itimerspec in = { .it_value.tv_nsec = in_ns };

	(void)timerfd_settime(b->timer_fd, 0, &in, NULL);
}

/* Whether it was in that state. */
static bool change_state(struct beside *b, int from, int to)
{
	return atomic_compare_exchange_strong(&b->state, &from, to);
}

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

/* ---- the watch ---- */

static bool is_request_waiting(const struct beside *b)
{
	struct pollfd p = { .fd = b->device_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void pause_for(struct beside *b, uint64_t served)
{
	if (b->pause_ns == 0 || served > b->pause_forgotten)
		b->pause_ns = PAUSE_MIN_NS;
	else
		b->pause_ns = MIN_OF(b->pause_ns * 2, PAUSE_MAX_NS);
	b->pause_forgotten = served + PAUSE_FORGOTTEN;
	atomic_store(&b->not_before_mono_ns, clock_mono_ns() + b->pause_ns);
}

/* As it was. */
static void bring_back(struct beside *b)
{
	bool changing = atomic_load(&b->changing);
	pid_t reader = atomic_load(&b->reader);

	(void)set_policy(reader, SCHED_OTHER);
	(void)sched_setaffinity(reader, sizeof(b->cpus), &b->cpus);
	if (!changing) /* nor will it from now on */
		atomic_store(&b->state, OFF);
}

/*
 * Where the client is. Not where this process may not be; and who has decided how the reader runs is to have his way: then
 * it is not asked again at once.
 */
static void enter(struct beside *b)
{
	pid_t reader = atomic_load(&b->reader);
	int cpu = cpu_of(atomic_load(&b->client));

	if (cpu < 0 || sched_getscheduler(reader) != SCHED_OTHER ||
	    sched_getaffinity(reader, sizeof(b->cpus), &b->cpus) < 0 || !CPU_ISSET(cpu, &b->cpus)) {
		atomic_store(&b->not_before_mono_ns, clock_mono_ns() + PAUSE_MIN_NS);
		(void)change_state(b, WANTED, OFF);
		return;
	}
	b->cpu = (unsigned int)cpu;
	if (set_policy(reader, SCHED_IDLE) < 0 || hold(reader, b->cpu) < 0 ||
	    !change_state(b, WANTED, ON))
		bring_back(b);
}

/* Whether the reader has made no way since the last look. A look may come early: the timer is the reader's, too. */
static bool is_slow(struct beside *b, uint64_t served)
{
	int64_t now = clock_mono_ns();
	bool early = now - b->last_look_mono_ns < TICK_NS / 2;
	bool slow = !early && served - b->last < TICK_REQUESTS;

	if (!early) {
		b->last = served;
		b->last_look_mono_ns = now;
	}
	return slow;
}

static void look_after(struct beside *b)
{
	uint64_t served = atomic_load(&b->served);
	int state = atomic_load(&b->state);

	if (state == WANTED) {
		b->last = served;
		b->last_look_mono_ns = clock_mono_ns();
		enter(b);
	} else if (state == ON && is_slow(b, served)) {
		if (is_request_waiting(b))
			pause_for(b, served);
		(void)change_state(b, ON, LEAVING);
	}
	if (atomic_load(&b->state) == LEAVING)
		bring_back(b);
	if (atomic_load(&b->state) != OFF) /* else whoever wants it sets it */
		set_timer(b, TICK_NS);
}

static void *watch(void *arg)
{
	struct beside *b = arg;
	uint64_t times;

	while (!atomic_load(&b->stopped)) {
		if (read(b->timer_fd, &times, sizeof(times)) == sizeof(times) &&
		    !atomic_load(&b->stopped))
			look_after(b);
	}
	return NULL;
}

/* ---- the reader ---- */

static void give_credit(struct beside *b, bool same, int64_t now)
{
	if (same && now - b->last_mono_ns < QUICK_NS)
		b->credit = MIN_OF(b->credit + CREDIT_SAME, (unsigned int)CREDIT_MAX);
	else
		b->credit -= MIN_OF(b->credit, (unsigned int)(same ? CREDIT_SLOW : CREDIT_OTHER));
	b->last_mono_ns = now;
}

void beside_began(struct beside *b, pid_t client, int64_t asked_mono_ns, bool alone)
{
	uint64_t served = atomic_load_explicit(&b->served, memory_order_relaxed) + 1;
	bool same = client == atomic_load_explicit(&b->client, memory_order_relaxed);
	int64_t now = clock_mono_ns();

	atomic_store_explicit(&b->served, served, memory_order_relaxed);
	if (served == 1)
		atomic_store(&b->reader, (pid_t)syscall(SYS_gettid));
	b->waits = client != 0;
	if (!b->waits)
		return;
	atomic_store_explicit(&b->client, client, memory_order_relaxed);
	give_credit(b, same, now);
	b->may = alone && b->credit > 0;
	if (!b->may)
		b->ends = change_state(b, ON, LEAVING) || change_state(b, WANTED, OFF);
	else
		b->missed = now - asked_mono_ns >= FOUND_NS;
}

/* It was not found waiting: where is it? It has been answered, and runs by now if it is not here. */
static void follow(struct beside *b)
{
	int cpu;

	if (b->rest_left > 0) {
		b->rest_left--;
		return;
	}
	cpu = cpu_of(atomic_load_explicit(&b->client, memory_order_relaxed));
	if (cpu < 0 || (unsigned int)cpu == b->cpu) {
		b->rest_left = b->rest = MIN_OF(b->rest * 2 + 1, (unsigned int)REST_MAX);
		return;
	}
	b->rest = 0;
	if (!CPU_ISSET(cpu, &b->cpus)) {
		(void)change_state(b, ON, LEAVING);
		return;
	}
	atomic_store(&b->changing, true);
	if (atomic_load(&b->state) == ON && hold(0, (unsigned int)cpu) == 0)
		b->cpu = (unsigned int)cpu;
	atomic_store(&b->changing, false);
}

static void want(struct beside *b)
{
	if (b->last_mono_ns < atomic_load_explicit(&b->not_before_mono_ns, memory_order_relaxed))
		return;
	if (change_state(b, OFF, WANTED))
		set_timer(b, CHANGE_NS);
}

void beside_ended(struct beside *b)
{
	int state = atomic_load(&b->state);

	if (!b->waits)
		return;
	if (b->ends) {
		b->ends = false;
		set_timer(b, CHANGE_NS);
	}
	if (!b->may)
		return;
	if (state == ON && b->missed)
		follow(b);
	else if (state == ON)
		b->rest = b->rest_left = b->rest / 2;
	else if (state == OFF && b->credit >= CREDIT_ON)
		want(b);
}

bool beside_has_one_client(const struct beside *b)
{
	return b->may && b->credit >= CREDIT_ON;
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

void beside_stop(struct beside *b)
{
	atomic_store(&b->stopped, true);
	set_timer(b, 1);
}

void beside_free(struct beside *b)
{
	if (!b)
		return;
	beside_stop(b);
	(void)pthread_join(b->watch, NULL);
	(void)safe_close(b->timer_fd);
	free(b);
}
