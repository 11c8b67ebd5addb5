/* SPDX-License-Identifier: MIT */
/*
 * When to look, and what is too full. What was freed shows in the filesystem's numbers later with some (XFS frees behind
 * the caller's back), so the next pass begins at the high mark again and not at the low one.
 *
 * Writes in passthrough are not seen. So the next look is not later than when, at the present rate, half of what
 * is left below the high mark is gone, and the writers that close a file are counted (evict_grown()).
 */
#include "exec/evict.h"

#include <errno.h>
#include <stdlib.h>

#include "exec/evicting.h"
#include "exec/exec_table.h"
#include "exec/spilling.h"
#include "store/blob_away.h"
#include "store/draft.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Looks are not closer than this. Source: a look takes some us, a memory filesystem grows 10 GB/s. */
#define LOOK_MIN_NS (5 * NS_PER_MS)

/*
 * When to spill if there is no high mark, percent. Source: room for what comes while a disk, some ten times slower than
 * memory, is written to.
 */
static const struct room_marks spill_marks = { .high = { .percent = 75 },
					       .low = { .percent = 60 } };

/*
 * How long nothing goes because what was written a moment ago can be spilled soon. Source: ten times as long as that is
 * young (exec/spilling.c); by then something has been spilled, or it is being written all the time.
 */
#define YOUNG_MAX_NS NS_PER_S

/* All of it. */
static const struct room_mark full_mark = { .percent = 100 };

/* How long the largest file counts for as much as it had. Source: some times what it takes to write such a one. */
#define LARGEST_NS (2 * NS_PER_S)

struct evict {
	/* Constant. */
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct evicting *evicting; /* owned */
	struct spilling *spilling; /* owned */
	bool spills;		   /* there is a directory for it */

	/* The reaper's thread's own. */
	struct room_marks marks;
	int64_t stalled_mono_ns; /* since when nothing could be spilled but what was too young; 0: something could */
	uint64_t used_bytes; /* at the last look */
	int64_t looked_mono_ns;
	int64_t vain_until_mono_ns; /* nothing could go: no pass before */
	bool unfinished; /* the last pass did not come to the low mark, but the next one may */
	bool said_nothing_left;
	bool said_error;
	int64_t largest_mono_ns; /* when `largest_bytes` was looked at */

	_Atomic uint64_t largest_bytes;	  /* that a writer who closed had written lately */
	_Atomic int64_t until_look_bytes; /* growth that is not worth a look */
};

/* ---- making room ---- */

/* Returns whether it was, or will soon be, of use. */
static bool make_room(struct evict *ev, const struct reaper_upcalls *up,
		      const struct room_excess *need)
{
	bool away = ev->spills && spilling_is_full(ev->spilling);
	struct evicting_result done;

	evicting_run(ev->evicting, up, need, away, &done);
	if (done.gone && away)
		spilling_try_again(ev->spilling);
	if (!done.gone && !done.young && !ev->said_nothing_left) {
		log_warning(
			"the store is full and nothing can go: all that is left is in use, pinned or "
			"not batonfs's to remove; release something, or make the store larger");
		ev->said_nothing_left = true;
	}
	ev->unfinished = !done.enough && done.young;
	return done.gone || done.young;
}

/*
 * Spill instead, where that is possible. True: that was of use, or will be soon, so nothing goes for now.
 */
static bool spill(struct evict *ev, const struct reaper_upcalls *up, const struct room_excess *need)
{
	struct spilling_result done;
	int64_t now;

	if (!ev->spills || !up->seal || need->bytes == 0)
		return false;
	spilling_run(ev->spilling, up->seal, need->bytes, &done);
	now = clock_mono_ns();
	if (done.bytes > 0 || !done.young)
		ev->stalled_mono_ns = 0;
	else if (ev->stalled_mono_ns == 0)
		ev->stalled_mono_ns = now;
	ev->unfinished = done.bytes > 0 ? done.bytes < need->bytes : done.young;
	return done.bytes > 0 || (done.young && now - ev->stalled_mono_ns < YOUNG_MAX_NS);
}

static bool relieve(struct evict *ev, const struct reaper_upcalls *up,
		    const struct room_excess *need)
{
	if (spill(ev, up, need))
		return true;
	return room_mark_is_set(&ev->marks.high) && make_room(ev, up, need);
}

/* ---- looking ---- */

static const struct room_marks *marks_of(const struct evict *ev, const struct room_marks *marks)
{
	return ev->spills && !room_mark_is_set(&marks->high) ? &spill_marks : marks;
}

bool evict_is_wanted(const struct evict *ev, const struct room_marks *marks)
{
	return room_mark_is_set(&marks_of(ev, marks)->high);
}

static int look(struct evict *ev, struct room *ret)
{
	int r = room_look(ev->store, ret);

	if (r < 0 && !ev->said_error)
		log_warning("cannot see how full the store is error=%s, retrying", log_errname(r));
	ev->said_error = r < 0;
	return r;
}

static bool is_too_full(struct evict *ev, const struct room *room, bool full,
			struct room_excess *ret_need)
{
	const struct room_marks *marks = marks_of(ev, &ev->marks);
	struct room_excess high;

	room_excess(room, &marks->high, &high);
	room_excess(room, &marks->low, ret_need);
	return room_is_over(&high) || ((full || ev->unfinished) && room_is_over(ret_need));
}

/* What those may still write who are at it, and the next one: each as much as the largest file lately. */
static uint64_t expected_bytes(struct evict *ev, const struct reaper_upcalls *up)
{
	uint64_t largest = atomic_load(&ev->largest_bytes);
	uint64_t writers = up->writers ? up->writers(up->ctx) : 0;
	int64_t now = clock_mono_ns();

	if (now - ev->largest_mono_ns >= LARGEST_NS) {
		ev->largest_mono_ns = now;
		(void)atomic_compare_exchange_strong(&ev->largest_bytes, &(uint64_t){ largest },
						     largest / 2);
	}
	return (writers + 1) * largest;
}

/*
 * Whether memory is short, so that new files begin where is spilled to: until it is nearer to the low mark than to the
 * high one again.
 */
static void judge(struct evict *ev, const struct reaper_upcalls *up, const struct room *room,
		  bool full)
{
	const struct room_marks *marks = marks_of(ev, &ev->marks);
	uint64_t left = room_left_bytes(room, &full_mark);
	uint64_t expected;
	struct room_excess high;
	struct room_excess low;

	if (!ev->spills)
		return;
	expected = expected_bytes(ev, up);
	room_excess(room, &marks->high, &high);
	room_excess(room, &marks->low, &low);
	if (full || high.bytes > 0 || left < expected)
		drafts_want(ev->store->blobs, true);
	else if (low.bytes < room_left_bytes(room, &marks->high) && left - expected >= expected / 4)
		drafts_want(ev->store->blobs, false);
}

/* When to look again, if nothing calls before. */
static int64_t schedule(struct evict *ev, const struct room *room, int64_t now)
{
	uint64_t left = room_left_bytes(room, &marks_of(ev, &ev->marks)->high);
	uint64_t grown = LESS_OF(room->bytes.used, ev->used_bytes);
	int64_t next = REAPER_TICK_NS;

	if (ev->looked_mono_ns && grown > 0 && left > 0) {
		double rate = (double)grown / (double)(now - ev->looked_mono_ns + 1);
		double half = (double)left / 2 / rate;

		if (half < (double)next)
			next = MAX_OF((int64_t)half, LOOK_MIN_NS);
	}
	if (ev->unfinished)
		next = MIN_OF(next, EVICTING_IDLE_NS);
	ev->used_bytes = room->bytes.used;
	ev->looked_mono_ns = now;
	atomic_store(&ev->until_look_bytes,
		     left > 0 ? (int64_t)MIN_OF(left / 2, (uint64_t)INT64_MAX) : INT64_MAX);
	return now + next;
}

int64_t evict_look(struct evict *ev, const struct reaper_upcalls *up, bool full)
{
	int64_t start = clock_mono_ns();
	struct room_excess need;
	struct room room;

	if (!evict_is_wanted(ev, &ev->marks))
		return INT64_MAX;
	if (look(ev, &room) < 0)
		return start + REAPER_TICK_NS;
	judge(ev, up, &room, full);
	if (is_too_full(ev, &room, full, &need) && trash_pending(ev->table->trash) > 0) {
		(void)!trash_empty(ev->table->trash); /* what is gone already may be enough */
		if (look(ev, &room) < 0)
			return start + REAPER_TICK_NS;
	}
	if (!is_too_full(ev, &room, full, &need)) {
		ev->unfinished = false;
		ev->said_nothing_left = false;
	} else if (start >= ev->vain_until_mono_ns) {
		bool useful = relieve(ev, up, &need);
		int64_t now = clock_mono_ns();

		/* Asking everything in vain is not to take more than a tenth of the time. */
		ev->vain_until_mono_ns = useful ? 0 : now + 10 * (now - start);
		if (useful && look(ev, &room) < 0)
			return now + REAPER_TICK_NS;
		judge(ev, up, &room, false);
	}
	return schedule(ev, &room, clock_mono_ns());
}

bool evict_grown(struct evict *ev, uint64_t bytes)
{
	int64_t before = atomic_fetch_sub(&ev->until_look_bytes, (int64_t)bytes);
	uint64_t largest = atomic_load_explicit(&ev->largest_bytes, memory_order_relaxed);

	while (bytes > largest &&
	       !atomic_compare_exchange_weak(&ev->largest_bytes, &largest, bytes))
		;
	return before > 0 && before <= (int64_t)bytes;
}

void evict_count(struct evict *ev, struct reaper_counts *ret)
{
	evicting_count(ev->evicting, ret);
}

DEFINE_CLEANUP(struct evict *, evict_free)

int evict_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	      const struct room_marks *marks, struct evict **ret)
{
	const struct reaper_upcalls none = { .ctx = NULL };
	_cleanup_(evict_freep) struct evict *ev = calloc(1, sizeof(*ev));
	struct room room;

	if (!ev)
		return -ENOMEM;
	ev->table = t;
	ev->store = store;
	ev->marks = *marks;
	ev->spills = blobs_have_away(store->blobs);
	if (evicting_new(t, store, ledger, &ev->evicting) < 0 ||
	    spilling_new(t, store, ledger, &ev->spilling) < 0)
		return -ENOMEM;
	if (ev->spills &&
	    look(ev, &room) == 0) /* after a takeover the first file is not to wait for a look */
		judge(ev, &none, &room, false);
	*ret = TAKE_PTR(ev);
	return 0;
}

void evict_stop(struct evict *ev)
{
	spilling_stop(ev->spilling);
}

void evict_set_marks(struct evict *ev, const struct room_marks *marks)
{
	ev->marks = *marks;
	ev->vain_until_mono_ns = 0;
	ev->said_nothing_left = false;
}

void evict_free(struct evict *ev)
{
	if (!ev)
		return;
	spilling_free(ev->spilling);
	evicting_free(ev->evicting);
	free(ev);
}
