/* SPDX-License-Identifier: MIT */
/*
 * The queue is a ring of entries under one lock, which is held for the copying of one only. If all of them have the
 * same delay, the first is always the next that is due; else it is looked for and put there, once for each that is taken
 * out or that overtakes the one that is waited for: 5 us for 4096 of them.
 */
#include "seal/work.h"

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

struct entry {
	struct work_item item;
	int64_t due_mono_ns;
};

struct work {
	/* Constant. */
	struct work_config config;
	pthread_t thread;

	struct lock lock;      /* rank LOCK_SEAL */
	pthread_cond_t wake;   /* work.lock */
	struct entry *entries; /* work.lock; owned, config.capacity of them */
	uint32_t first;	       /* work.lock */
	uint32_t count;	       /* work.lock */
	int64_t until_mono_ns; /* work.lock: the thread sleeps until then, and is woken for what is due sooner */
	bool joined;  /* of whoever ends it */
	bool hurries; /* the thread's own */

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
	(void)sched_setscheduler(0, hurry ? SCHED_OTHER : SCHED_IDLE, &none);
	w->hurries = hurry;
}

static struct entry *entry_locked(struct work *w, uint32_t i)
{
	return &w->entries[(w->first + i) % w->config.capacity];
}

static void pop_locked(struct work *w, struct work_item *ret)
{
	*ret = entry_locked(w, 0)->item;
	w->first = (w->first + 1) % w->config.capacity;
	w->count--;
}

/* Exchange the first with the next that is due. */
static void bring_forward_locked(struct work *w)
{
	struct entry *first = entry_locked(w, 0);
	struct entry *due = first;
	struct entry other;

	for (uint32_t i = 1; i < w->count; i++) {
		if (entry_locked(w, i)->due_mono_ns < due->due_mono_ns)
			due = entry_locked(w, i);
	}
	other = *first;
	*first = *due;
	*due = other;
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
		if (w->config.delay_ns == 0)
			bring_forward_locked(w);
		due = entry_locked(w, 0)->due_mono_ns;
		w->until_mono_ns = 0;
		if (due <= clock_mono_ns()) {
			pop_locked(w, ret);
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
		work_hurry(w, false);
		w->config.one(w->config.ctx, &item);
		work_hurry(w, true); /* the queue's lock is wanted by who closes a file */
	}
	return NULL;
}

int work_new(const struct work_config *config, struct work **ret)
{
	_cleanup_free_ struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->config = *config;
	w->entries = calloc(config->capacity, sizeof(*w->entries));
	if (!w->entries)
		return -ENOMEM;
	lock_init(&w->lock, LOCK_SEAL);
	lock_cond_init(&w->wake);
	r = pthread_create(&w->thread, NULL, run, w);
	if (r) {
		free(w->entries);
		return -r;
	}
	*ret = TAKE_PTR(w);
	return 0;
}

/* What waits, one by one, for it is told without the lock. */
static bool take_left(struct work *w, struct work_item *ret)
{
	LOCK_SCOPE(&w->lock);
	if (w->count == 0)
		return false;
	pop_locked(w, ret);
	return true;
}

void work_end(struct work *w)
{
	struct work_item item;

	if (!w || w->joined)
		return;
	{
		LOCK_SCOPE(&w->lock);
		atomic_store(&w->ending, true);
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_join(w->thread, NULL);
	w->joined = true;
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
	*entry_locked(w, w->count) = entry;
	w->count++;
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
		struct entry *e = entry_locked(w, i);

		if (!e->item.wanted || e->item.wanted(e->item.arg))
			continue;
		*ret = e->item;
		*e = *entry_locked(w, w->count - 1); /* in which order they wait does not matter */
		w->count--;
		return true;
	}
	return false;
}

bool work_is_ending(struct work *w)
{
	return atomic_load(&w->ending);
}
