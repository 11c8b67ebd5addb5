/* SPDX-License-Identifier: MIT */
/*
 * What is done to which file, and by which thread.
 */
#include "seal/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "seal/collapse.h"
#include "seal/work.h"
#include "store/memcg.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Files that wait to be collapsed, at most. Source: 4096 of 2 MiB and more are more than a machine's memory. */
#define COLLAPSE_QUEUE 4096

/*
 * How long a file is left alone first. Source: who is told of it at once has opened it by then, and is not disturbed;
 * and the copying of 100 MiB (25 ms) is done within 100 ms of the close all the same.
 */
#define COLLAPSE_DELAY_NS (25 * NS_PER_MS)

/*
 * How often a file is tried again that somebody has open, or of which a page was in use; after how long at first, and
 * twice as long each time. Source: most have read it by then; ten seconds in all.
 */
#define COLLAPSE_TRIES 9
#define COLLAPSE_AGAIN_NS (20 * NS_PER_MS)

/*
 * How far the collapsing thread is put above others. Source: measured beside six busy loops on two CPUs, see
 * ARCHITECTURE.md; a real-time policy would stop everybody else for seconds when files of many GiB are closed.
 */
#define COLLAPSE_NICENESS (-15)

struct seal {
	/* Constant once files are closed. */
	const struct store *store; /* borrowed */
	struct seal_config config;
	struct seal_upcalls up;
	struct work *collapser; /* owned; NULL: not on this store */
	struct sealer *sealer;	/* owned */
	struct share *share;	/* owned */
	struct ledger *ledger;	/* borrowed */

	_Atomic uint64_t collapsed_bytes;
	_Atomic uint64_t dropped;
	_Atomic uint64_t spilled;
	_Atomic uint64_t spilled_bytes;
	_Atomic uint64_t spill_refused;
	struct tasks tasks; /* what somebody waits for */
};

/* ---- huge pages ---- */

struct candidate {
	struct seal *seal;
	const struct work_item *item;
	int fd;
	bool in_use;
};

/*
 * Still closed, still wanted, and memory for it. Not while somebody reads it: he would meet page after page that is
 * just being copied, and sleep each time, 110 ms instead of 4 for 100 MiB.
 */
static bool may_collapse(void *ctx, uint64_t bytes)
{
	struct candidate *c = ctx;
	struct seal *s = c->seal;
	struct memcg_use use;
	struct stat st;

	if (work_is_ending(s->collapser) || fstat(c->fd, &st) < 0 || st.st_nlink == 0)
		return false;
	if (!s->up.is_closed(s->up.ctx, c->item->ino, &c->item->handle))
		return false;
	c->in_use = s->up.is_open(s->up.ctx, c->item->ino, &c->item->handle);
	if (c->in_use)
		return false;
	if (s->config.hugepages == SEAL_HUGEPAGES_ALWAYS)
		return true;
	memcg_tightest(&use);
	return memcg_has_room(&use, bytes);
}

static void collapse(void *ctx, const struct work_item *item)
{
	struct seal *s = ctx;
	_cleanup_close_ int fd =
		store_open_handle(s->store, &item->handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	struct candidate c = { .seal = s, .item = item, .fd = fd };
	struct work_item again = *item;
	uint64_t done = 0;
	int r = fd < 0 ? fd : collapse_fd(fd, may_collapse, &c, &done);

	again.tries++;
	if ((r == -EAGAIN || c.in_use) && again.tries <= COLLAPSE_TRIES &&
	    work_put_later(s->collapser, &again, COLLAPSE_AGAIN_NS << item->tries))
		return;
	atomic_fetch_add(&s->collapsed_bytes, done);
	if (r < 0)
		log_debug("seal ino=%llu huge pages error=%s, leaving it as it is",
			  (unsigned long long)item->ino, log_errname(r));
}

/* The control groups' files are in the host's namespace. */
static void begin(void *ctx)
{
	struct seal *s = ctx;

	if (s->config.lasts)
		s->config.lasts(s->config.lasts_arg);
	if (store_leave(s->store) < 0)
		log_debug("seal: cannot see the memory cgroup, ignoring its limit");
}

static int make_collapser(struct seal *s)
{
	struct work_config config = {
		.capacity = COLLAPSE_QUEUE,
		.niceness = COLLAPSE_NICENESS,
		.begin = begin,
		.one = collapse,
		.ctx = s,
	};

	if (s->config.hugepages == SEAL_HUGEPAGES_OFF || strcmp(s->store->filesystem, "tmpfs") != 0)
		return 0;
	return work_new(&config, &s->collapser);
}

/* ---- sharing ---- */

static void offer(void *ctx, uint64_t ino, const struct handle *h, uint64_t size_bytes)
{
	struct seal *s = ctx;

	share_offer(s->share, ino, h, size_bytes);
}

static int make_share(struct seal *s)
{
	struct share_config config = {
		.store = s->store,
		.ledger = s->ledger,
		.scope = s->config.dedup,
		.min_bytes = s->config.dedup_min_bytes,
	};

	return share_new(&config, &s->share);
}

/* ---- the layer ---- */

DEFINE_CLEANUP(struct seal *, seal_free)

int seal_new(const struct store *store, struct ledger *ledger, const struct seal_config *config,
	     struct seal **ret)
{
	_cleanup_(seal_freep) struct seal *s = calloc(1, sizeof(*s));
	struct sealer_config hash = {
		.store = store,
		.ledger = ledger,
		.after_close = config->hash == SEAL_HASH_CLOSED,
		.clean = config->clean_ledger,
		.sealed = offer,
	};
	int r;

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->ledger = ledger;
	s->config = *config;
	hash.ctx = s;
	r = make_collapser(s);
	if (r == 0)
		r = make_share(s);
	if (r == 0)
		r = sealer_new(&hash, &s->sealer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void seal_end_unasked(struct seal *s)
{
	if (!s)
		return;
	work_end(s->collapser);
	share_end(s->share);
	sealer_end_closed(s->sealer);
}

void seal_end(struct seal *s)
{
	seal_end_unasked(s);
	if (s)
		sealer_end(s->sealer);
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	work_free(s->collapser);
	sealer_free(s->sealer);
	share_free(s->share); /* after the one that offers files to it */
	free(s);
}

void seal_set_upcalls(struct seal *s, const struct seal_upcalls *up)
{
	s->up = *up;
	sealer_set_upcalls(s->sealer, up);
	share_set_upcalls(s->share, up);
}

int seal_start(struct seal *s)
{
	int r = sealer_start(s->sealer);

	if (r == 0)
		r = work_start(s->collapser);
	return r < 0 ? r : share_start(s->share);
}

void seal_closed(struct seal *s, uint64_t ino, const struct handle *h, uint64_t size_bytes)
{
	struct work_item item = { .ino = ino, .handle = *h };

	sealer_closed(s->sealer, ino, h, size_bytes);
	if (!s->collapser || size_bytes < COLLAPSE_PAGE)
		return;
	if (!work_put_later(s->collapser, &item, COLLAPSE_DELAY_NS))
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
}

void seal_idle(struct seal *s, uint64_t ino, const struct handle *h)
{
	share_idle(s->share, ino, h);
}

int seal_ask(struct seal *s, uint64_t ino, const struct handle *h, const struct sealer_asker *asker)
{
	return sealer_ask(s->sealer, ino, h, asker);
}

void seal_set_dedup_min(struct seal *s, uint64_t bytes)
{
	share_set_min(s->share, bytes);
}

void seal_count(struct seal *s, struct seal_counts *ret)
{
	*ret = (struct seal_counts){ .collapsed_bytes = atomic_load(&s->collapsed_bytes) };
	sealer_count(s->sealer, &ret->hash);
	share_count(s->share, &ret->share);
	ret->dropped = atomic_load(&s->dropped) + ret->hash.dropped;
	ret->spill = (struct seal_spill_counts){
		.contents = atomic_load(&s->spilled),
		.bytes = atomic_load(&s->spilled_bytes),
		.refused = atomic_load(&s->spill_refused),
	};
}

static struct spill spill_of(struct seal *s, const struct spill *how)
{
	struct spill spill = *how;

	spill.store = s->store;
	spill.ledger = s->ledger;
	spill.up = &s->up;
	return spill;
}

static int count_spilled(struct seal *s, int err, const struct spill_result *result)
{
	if (err == 0)
		atomic_fetch_add(&s->spilled, 1);
	atomic_fetch_add(&s->spilled_bytes, result->bytes);
	atomic_fetch_add(&s->spill_refused, result->refused);
	return err;
}

int seal_spill_file(struct seal *s, const struct spill *how, uint64_t ino, const struct handle *h,
		    struct spill_result *ret)
{
	struct spill spill = spill_of(s, how);

	return count_spilled(s, spill_file(&spill, ino, h, ret), ret);
}

int seal_spill_blob(struct seal *s, const struct spill *how, const struct blob_name *name,
		    struct spill_result *ret)
{
	struct spill spill = spill_of(s, how);

	return count_spilled(s, spill_blob(&spill, name, ret), ret);
}

int seal_check(struct seal *s, bool repair, uint64_t files,
	       int (*each)(void *arg, const struct check_problem *p), void *arg,
	       struct check_counts *ret)
{
	struct check c = {
		.store = s->store,
		.ledger = s->ledger,
		.up = &s->up,
		.repair = repair,
		.tasks = &s->tasks,
		.files = files,
		.each = each,
		.arg = arg,
	};

	return check_run(&c, ret);
}

int seal_garbage(struct seal *s, bool remove, struct garbage *ret)
{
	return garbage_collect(s->store->blobs, s->ledger, remove, &s->tasks, ret);
}

const struct tasks *seal_tasks(const struct seal *s)
{
	return &s->tasks;
}

bool seal_hashed(struct seal *s, uint64_t ino, uint64_t *ret_bytes)
{
	return sealer_hashed(s->sealer, ino, ret_bytes);
}
