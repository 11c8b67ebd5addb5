/* SPDX-License-Identifier: MIT */
/*
 * The queue is a heap of entries under one lock, the one that is due next at its top; of those that are due at the same
 * time the one that came first.
 */
#include "seal/work.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"

/* What it does between two looks, of the processor's time. Source: a client's request takes as long, roughly. */
#define TURN_NS (NS_PER_MS / 2)

/* How often as long it rests then, at most. Source: what a busy client loses is a part of the 16th part. */
#define REST_TIMES 15

/* Nobody made a request for so long, at first; twice as long after each look. Source: few looks, and soon enough. */
#define CALM_NS NS_PER_MS

struct entry {
	struct work_item item;
	int64_t due_mono_ns;
	uint64_t serial;
};

struct work {
	/* Constant. */
	struct work_config config;
	pthread_t thread;

	struct lock lock;      /* rank LOCK_SEAL */
	pthread_cond_t wake;   /* work.lock */
	struct entry *entries; /* work.lock; owned, config.capacity of them */
	uint32_t count;	       /* work.lock */
	uint64_t serial;       /* work.lock: of the next that comes */
	int64_t until_mono_ns; /* work.lock: the thread sleeps until then, and is woken for what is due sooner */
	bool started, ended; /* of whoever starts and ends it */

	/* The thread's own. */
	bool hurries;
	int64_t rested_cpu_ns; /* its processor time at the last look, and the requests */
	uint64_t traffic;

	_Atomic bool ending; /* set under work.lock */
};

static void set_priority(const struct work_config *c)
{
	if (!c->idle && c->niceness != 0)
		(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), c->niceness);
}

void work_hurry(struct work *w, bool hurry)
{
	struct sched_param none = { 0 };

	if (!w->config.idle || w->hurries == hurry)
		return;
	w->hurries = hurry;
	/* Whoever ends it may have made it urgent. */
	if (atomic_load(&w->ending) && (!hurry || sched_getscheduler(0) != SCHED_IDLE))
		return;
	(void)sched_setscheduler(0, hurry ? SCHED_OTHER : SCHED_IDLE, &none);
}

static int64_t rest_ns_locked(const struct work *w, int64_t worked_ns)
{
	uint32_t half = w->config.capacity / 2;

	return w->count < half ? worked_ns * REST_TIMES * (half - w->count) / half : 0;
}

static void wait_for_calm(struct work *w, int64_t worked_ns)
{
	int64_t now = clock_mono_ns();
	int64_t step = CALM_NS;
	int64_t end;

	LOCK_SCOPE(&w->lock);
	end = now + rest_ns_locked(w, worked_ns);
	for (; now < end && !atomic_load(&w->ending); now = clock_mono_ns(), step *= 2) {
		uint64_t before = w->traffic;

		/* Nobody signals: what comes is seen afterwards. */
		(void)lock_wait_until(&w->lock, &w->wake, MIN_OF(now + step, end));
		w->traffic = w->config.traffic(w->config.ctx);
		if (w->traffic == before)
			return;
	}
}

void work_rest(struct work *w)
{
	bool hurries = w->hurries;
	uint64_t before = w->traffic;
	int64_t worked_ns;

	if (!w->config.traffic)
		return;
	worked_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - w->rested_cpu_ns;
	if (worked_ns < TURN_NS)
		return;
	w->traffic = w->config.traffic(w->config.ctx);
	if (w->traffic != before) {
		work_hurry(w, true); /* with the queue's lock */
		wait_for_calm(w, worked_ns);
		work_hurry(w, hurries);
	}
	w->rested_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
	if (a->due_mono_ns != b->due_mono_ns)
		return a->due_mono_ns < b->due_mono_ns;
	return a->serial < b->serial;
}

/* Put an entry where place i is free, or above that. */
static void rise_locked(struct work *w, uint32_t i, const struct entry *e)
{
	while (i > 0 && is_before(e, &w->entries[(i - 1) / 2])) {
		w->entries[i] = w->entries[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->entries[i] = *e;
}

static void take_locked(struct work *w, uint32_t i, struct work_item *ret)
{
	struct entry last = w->entries[--w->count];
	uint32_t child;

	*ret = w->entries[i].item;
	if (i == w->count)
		return;
	while ((child = 2 * i + 1) < w->count) {
		if (child + 1 < w->count && is_before(&w->entries[child + 1], &w->entries[child]))
			child++;
		w->entries[i] = w->entries[child];
		i = child;
	}
	rise_locked(w, i, &last);
}

/* The next file, when there is one and it is due. False at the end. */
static bool next(struct work *w, struct work_item *ret)
{
	LOCK_SCOPE(&w->lock);
	while (!atomic_load(&w->ending)) {
		int64_t due;

		if (w->count == 0) {
			w->until_mono_ns = INT64_MAX;
			lock_wait(&w->lock, &w->wake);
			continue;
		}
		due = w->entries[0].due_mono_ns;
		w->until_mono_ns = 0;
		if (due <= clock_mono_ns()) {
			take_locked(w, 0, ret);
			return true;
		}
		w->until_mono_ns = due;
		(void)lock_wait_until(&w->lock, &w->wake, due);
	}
	return false;
}

static void *run(void *arg)
{
	struct work *w = arg;
	struct work_item item;

	(void)pthread_setname_np(pthread_self(), "seal"); /* for top(1) only */
	w->hurries = true;
	set_priority(&w->config);
	if (w->config.begin)
		w->config.begin(w->config.ctx);
	while (next(w, &item)) {
		w->config.one(w->config.ctx, &item);
		assert(w->hurries); /* the queue's lock is wanted by who closes a file */
		work_rest(w);
	}
	return NULL;
}

int work_new(const struct work_config *config, struct work **ret)
{
	_cleanup_free_ struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->config = *config;
	w->entries = calloc(config->capacity, sizeof(*w->entries));
	if (!w->entries)
		return -ENOMEM;
	lock_init(&w->lock, LOCK_SEAL);
	lock_cond_init(&w->wake);
	*ret = TAKE_PTR(w);
	return 0;
}

int work_start(struct work *w)
{
	int r = w ? pthread_create(&w->thread, NULL, run, w) : 0;

	if (w)
		w->started = r == 0;
	return -r;
}

/* What waits, one by one, for it is told without the lock. */
static bool take_left(struct work *w, struct work_item *ret)
{
	LOCK_SCOPE(&w->lock);
	if (w->count == 0)
		return false;
	take_locked(w, 0, ret);
	return true;
}

void work_end(struct work *w)
{
	struct work_item item;

	if (!w || w->ended)
		return;
	{
		LOCK_SCOPE(&w->lock);
		atomic_store(&w->ending, true);
		(void)pthread_cond_signal(&w->wake);
	}
	if (w->started)
		(void)pthread_join(w->thread, NULL);
	w->ended = true;
	while (take_left(w, &item)) {
		if (w->config.dropped)
			w->config.dropped(w->config.ctx, &item);
	}
}

void work_free(struct work *w)
{
	if (!w)
		return;
	work_end(w);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	free(w->entries);
	free(w);
}

bool work_put_later(struct work *w, const struct work_item *item, int64_t delay_ns)
{
	struct entry entry = { .item = *item, .due_mono_ns = clock_mono_ns() + delay_ns };

	LOCK_SCOPE(&w->lock);
	if (w->count == w->config.capacity || atomic_load(&w->ending))
		return false;
	entry.serial = w->serial++;
	rise_locked(w, w->count++, &entry);
	if (entry.due_mono_ns < w->until_mono_ns) {
		w->until_mono_ns = 0; /* one wake-up is enough */
		(void)pthread_cond_signal(&w->wake);
	}
	return true;
}

bool work_put(struct work *w, const struct work_item *item)
{
	return work_put_later(w, item, w->config.delay_ns);
}

bool work_take_unwanted(struct work *w, struct work_item *ret)
{
	LOCK_SCOPE(&w->lock);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct work_item *item = &w->entries[i].item;

		if (!item->wanted || item->wanted(item->arg))
			continue;
		take_locked(w, i, ret);
		return true;
	}
	return false;
}

bool work_is_ending(struct work *w)
{
	return atomic_load(&w->ending);
}
