/* SPDX-License-Identifier: MIT */
/*
 * The queue is a ring of items under one lock, which is held for the copying of one only.
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
#include "util/lock.h"

struct work {
	/* Constant. */
	struct work_config config;
	pthread_t thread;

	struct lock lock;	 /* rank LOCK_SEAL */
	pthread_cond_t wake;	 /* work.lock */
	struct work_item *items; /* work.lock; owned, config.capacity of them */
	uint32_t first;		 /* work.lock */
	uint32_t count;		 /* work.lock */
	bool sleeping;		 /* work.lock: the thread needs to be woken */

	_Atomic bool ending;
};

static void set_priority(int niceness)
{
	struct sched_param none = { 0 };

	if (niceness == 0)
		(void)sched_setscheduler(0, SCHED_IDLE, &none);
	else
		(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), niceness);
}

/* The next file, when there is one. False at the end. */
static bool next(struct work *w, struct work_item *ret)
{
	LOCK_SCOPE(&w->lock);
	while (w->count == 0 && !atomic_load(&w->ending)) {
		w->sleeping = true;
		lock_wait(&w->lock, &w->wake);
	}
	w->sleeping = false;
	if (atomic_load(&w->ending))
		return false;
	*ret = w->items[w->first];
	w->first = (w->first + 1) % w->config.capacity;
	w->count--;
	return true;
}

static void *run(void *arg)
{
	struct work *w = arg;
	struct work_item item;

	(void)pthread_setname_np(pthread_self(), "seal"); /* for top(1) only */
	set_priority(w->config.niceness);
	if (w->config.begin)
		w->config.begin(w->config.ctx);
	while (next(w, &item))
		w->config.one(w->config.ctx, &item);
	return NULL;
}

int work_new(const struct work_config *config, struct work **ret)
{
	_cleanup_free_ struct work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->config = *config;
	w->items = calloc(config->capacity, sizeof(*w->items));
	if (!w->items)
		return -ENOMEM;
	lock_init(&w->lock, LOCK_SEAL);
	lock_cond_init(&w->wake);
	r = pthread_create(&w->thread, NULL, run, w);
	if (r) {
		free(w->items);
		return -r;
	}
	*ret = TAKE_PTR(w);
	return 0;
}

void work_free(struct work *w)
{
	if (!w)
		return;
	{
		LOCK_SCOPE(&w->lock);
		atomic_store(&w->ending, true);
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	free(w->items);
	free(w);
}

bool work_put(struct work *w, const struct work_item *item)
{
	LOCK_SCOPE(&w->lock);
	if (w->count == w->config.capacity)
		return false;
	w->items[(w->first + w->count) % w->config.capacity] = *item;
	w->count++;
	if (w->sleeping) {
		w->sleeping = false; /* one wake-up is enough */
		(void)pthread_cond_signal(&w->wake);
	}
	return true;
}

bool work_is_ending(struct work *w)
{
	return atomic_load(&w->ending);
}
