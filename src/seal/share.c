/* SPDX-License-Identifier: MIT */
/*
 * What is tried, and when again.
 */
#include "seal/share.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "seal/work.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Files that wait, at most. Source: as many as are sealed in a second or two of a busy mount. */
#define QUEUE 4096

/*
 * How often a file is tried again that is in use, or that there was no room for; after how long at first, and twice as
 * long each time. Source: who reads it has done so after a quarter of a minute; then it waits for his close.
 */
#define TRIES 7
#define AGAIN_NS (100 * NS_PER_MS)

/*
 * How long a file is left alone. Source: what is known of it must have been committed to the ledger, which is done once
 * for all that have come meanwhile.
 */
#define DELAY_NS (100 * NS_PER_MS)

/* Files that are tried when they are closed. Source: a slot each, 8 KiB; two with the same take turns. */
#define WAITING 1024

/* How often the ledger is asked whether blobs have lost a stub. */
#define TICK_NS NS_PER_S

/*
 * Of a CPU, garbage may take one in so many. Source: looking at 100 000 blobs takes half a second. What a round waits for a
 * CPU or a disk does not count: on a busy machine it would not be looked for again for many minutes, while a disk fills.
 */
#define GARBAGE_PART 20

struct share {
	/* Constant once files are sealed. */
	struct share_config config;
	struct seal_upcalls up;
	struct work *worker; /* owned */

	/* The worker's own. */
	uint64_t stubs_gone; /* what the ledger said at the last look */
	uint64_t synced;     /* of offered files, those whose rows are committed */
	bool look;	     /* there may be garbage */
	bool ticking;	     /* the next tick is in the queue */
	int64_t not_before_mono_ns;

	_Atomic uint64_t min_bytes;
	_Atomic uint64_t offered;	   /* files */
	_Atomic uint64_t waiting[WAITING]; /* inode numbers; 0: none */
	_Atomic uint64_t stubs;
	_Atomic uint64_t saved_bytes;
	_Atomic uint64_t blobs_made;
	_Atomic uint64_t blobs_removed;
	_Atomic uint64_t dropped;
};

static bool may(void *ctx)
{
	struct share *s = ctx;

	work_rest(s->worker);
	return !work_is_ending(s->worker);
}

/* On a busy machine a thread of idle policy that holds a lock would have others wait for seconds. */
static void hurry(void *ctx, bool on)
{
	struct share *s = ctx;

	work_hurry(s->worker, on);
}

/* ---- files ---- */

static void count(struct share *s, const struct merge_result *result)
{
	atomic_fetch_add(&s->stubs, result->stubs);
	atomic_fetch_add(&s->saved_bytes, result->saved_bytes);
	atomic_fetch_add(&s->blobs_made, result->made);
	s->look |= result->wasted;
}

static void try_later(struct share *s, const struct work_item *item)
{
	struct work_item again = *item;

	again.tries++;
	if (again.tries <= TRIES)
		(void)work_put_later(s->worker, &again, AGAIN_NS << item->tries);
}

/* The file it is about, or the other one, after the first became a stub: then that one has to come itself. */
static void try_busy_later(struct share *s, const struct work_item *item,
			   const struct merge_result *result)
{
	struct work_item other = { .ino = result->busy_ino,
				   .handle = result->busy,
				   .tries = item->tries };

	atomic_store(&s->waiting[other.ino % WAITING], other.ino);
	try_later(s, result->stubs > 0 ? &other : item);
}

/* Whatever was told of it before it was offered is in the ledger. */
static int sync_rows(struct share *s, const struct work_item *item)
{
	uint64_t offered = atomic_load(&s->offered);
	int r;

	if (item->number <= s->synced)
		return 0;
	r = ledger_sync(s->config.ledger);
	if (r == 0)
		s->synced = offered;
	return r;
}

static void share_one(struct share *s, const struct work_item *item)
{
	struct merge m = {
		.store = s->config.store,
		.ledger = s->config.ledger,
		.up = &s->up,
		.scope = s->config.scope,
		.may = may,
		.hurry = hurry,
		.ctx = s,
	};
	struct merge_result result = { 0 };
	int r = sync_rows(s, item);

	if (r == 0)
		r = merge_file(&m, item->ino, &item->handle, &result);

	count(s, &result);
	if (result.stubs > 0 || result.made)
		s->synced = 0; /* the next one is to find the blob, not what were files */
	if (result.busy_ino)
		try_busy_later(s, item, &result);
	else if (r == -EBUSY || r == -ENOSPC || r == -EDQUOT || r == -ENOMEM || r == -EIO)
		try_later(s, item);
	s->look |= result.made && r < 0; /* it may be left */
	if (r < 0 && r != -ENODATA)
		log_debug("share ino=%llu error=%s, not now", (unsigned long long)item->ino,
			  log_errname(r));
}

/* ---- blobs ---- */

static void collect(struct share *s)
{
	int64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct garbage found;
	int r = garbage_collect(s->config.store->blobs, s->config.ledger, true, NULL, &found);
	int64_t took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;

	atomic_fetch_add(&s->blobs_removed, found.removed_blobs);
	s->not_before_mono_ns = clock_mono_ns() + GARBAGE_PART * took;
	/* When it agrees, stubs_gone rises. */
	s->look = (r < 0 && r != -EAGAIN) || found.pinned_blobs > 0;
	if (r < 0)
		log_debug("garbage error=%s, later", log_errname(r));
}

/* Once a second. */
static void tick(struct share *s)
{
	struct ledger_stats stats;

	ledger_stats(s->config.ledger, &stats);
	if (stats.stubs_gone != s->stubs_gone)
		s->look = true;
	if (s->look && clock_mono_ns() >= s->not_before_mono_ns) {
		s->stubs_gone = stats.stubs_gone;
		collect(s);
	}
}

static void one(void *ctx, const struct work_item *item)
{
	struct work_item next = { .ino = 0 };
	struct share *s = ctx;

	if (item->ino == 0) {
		s->ticking = false;
		tick(s);
	} else {
		share_one(s, item);
	}
	if (!s->ticking) /* the queue may have been full */
		s->ticking = work_put_later(s->worker, &next, TICK_NS);
}

/* ---- the object ---- */

/* The control groups' files are in the host's namespace. */
static void begin(void *ctx)
{
	struct share *s = ctx;

	if (store_leave(s->config.store) < 0)
		log_debug("share: cannot see the memory cgroup, ignoring its limit");
}

/* None before there are upcalls: garbage is looked for all the same. */
static uint64_t traffic(void *ctx)
{
	struct share *s = ctx;

	return s->up.traffic ? s->up.traffic(s->up.ctx) : 0;
}

int share_new(const struct share_config *config, struct share **ret)
{
	struct work_item first = { .ino = 0 };
	struct work_config wc = {
		.capacity = QUEUE,
		.idle = true,
		.traffic = traffic,
		.delay_ns = DELAY_NS,
		.begin = begin,
		.one = one,
	};
	struct share *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->config = *config;
	atomic_init(&s->min_bytes, config->min_bytes);
	s->look = true; /* what an earlier process left */
	wc.ctx = s;
	r = work_new(&wc, &s->worker);
	if (r < 0) {
		free(s);
		return r;
	}
	(void)work_put_later(s->worker, &first, TICK_NS);
	*ret = s;
	return 0;
}

void share_set_upcalls(struct share *s, const struct seal_upcalls *up)
{
	s->up = *up;
}

int share_start(struct share *s)
{
	return work_start(s->worker);
}

void share_end(struct share *s)
{
	if (s)
		work_end(s->worker);
}

void share_free(struct share *s)
{
	if (!s)
		return;
	work_free(s->worker);
	free(s);
}

static void put(struct share *s, uint64_t ino, const struct handle *h)
{
	struct work_item item = {
		.ino = ino,
		.handle = *h,
		.number = atomic_fetch_add(&s->offered, 1) + 1,
	};

	if (!work_put(s->worker, &item))
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
}

void share_set_min(struct share *s, uint64_t min_bytes)
{
	atomic_store(&s->min_bytes, min_bytes);
}

void share_offer(struct share *s, uint64_t ino, const struct handle *h, uint64_t size_bytes)
{
	if (s->config.scope != SHARE_OFF && s->up.make_stub && size_bytes >= STUB_MIN &&
	    size_bytes >= atomic_load_explicit(&s->min_bytes, memory_order_relaxed))
		put(s, ino, h);
}

void share_idle(struct share *s, uint64_t ino, const struct handle *h)
{
	_Atomic uint64_t *slot = &s->waiting[ino % WAITING];
	uint64_t expected = ino;

	if (atomic_load_explicit(slot, memory_order_relaxed) == ino &&
	    atomic_compare_exchange_strong(slot, &expected, 0))
		put(s, ino, h);
}

void share_count(struct share *s, struct share_counts *ret)
{
	*ret = (struct share_counts){
		.stubs = atomic_load(&s->stubs),
		.saved_bytes = atomic_load(&s->saved_bytes),
		.blobs_made = atomic_load(&s->blobs_made),
		.blobs_removed = atomic_load(&s->blobs_removed),
		.dropped = atomic_load(&s->dropped),
	};
}
