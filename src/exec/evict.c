/* SPDX-License-Identifier: MIT */
/*
 * Eviction. One pass: what may go, in the order of its last activity, goes until enough is freed by its blocks; it
 * is deleted at once, by this thread. What was freed shows in the filesystem's numbers later with some (XFS frees
 * behind the caller's back), so the next pass begins at the high mark again and not at the low one.
 *
 * Writes in passthrough are not seen. So the next look is not later than when, at the present rate, half of what
 * is left below the high mark is gone, and the writers that close a file are counted (evict_grown()).
 */
#include "exec/evict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec/exec_table.h"
#include "exec/in_use.h"
#include "exec/spilling.h"
#include "store/blob_away.h"
#include "store/draft.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Looks are not closer than this. Source: a look takes some us, a memory filesystem grows 10 GB/s. */
#define LOOK_MIN_NS (5 * NS_PER_MS)

/* Files of `_` that are looked at in one pass. */
#define FILES_PER_PASS 4096

/* What was used less than so long ago stays. Source: longer than writer and reader take to hand over a file. */
#define IDLE_MIN_NS (10 * NS_PER_MS)

/*
 * How long a pass waits, in all, for what is in use but not by clients who opened it: mostly this daemon itself has
 * it, to hash it or to put it into huge pages. Source: that takes some ms, and longest idle is to go first.
 */
#define PATIENCE_NS (50 * NS_PER_MS)
#define RETRY_NS NS_PER_MS

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
	struct ledger *ledger;	   /* borrowed */
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
	_Atomic uint64_t executions;
	_Atomic uint64_t files;
	_Atomic uint64_t bytes;
};

/* Something that may go: an execution, or a file of `_`. */
struct candidate {
	int64_t activity_ns;	/* the ledger's time */
	struct execution *exec; /* a reference; NULL: a file */
	struct ledger_file file;
};

struct pass {
	struct evict *ev;
	const struct reaper_upcalls *up;
	int64_t idle_since_ns; /* who was active later stays */
	struct room_excess need;
	struct candidate *items; /* owned, with the references */
	size_t n;
	size_t room;
	size_t gone;
	size_t young;
	bool shared;	     /* stubs have gone, so blobs may be garbage */
	bool away;	     /* room in the directory that is spilled to counts, too: it is full */
	int64_t patience_ns; /* left */
};

static struct candidate *pass_add(struct pass *p)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 64;
		struct candidate *grown = reallocarray(p->items, room, sizeof(*grown));

		if (!grown)
			return NULL;
		p->items = grown;
		p->room = room;
	}
	return &p->items[p->n++];
}

static void pass_done(struct pass *p)
{
	for (size_t i = 0; i < p->n; i++)
		exec_unref(p->ev->table, p->items[i].exec);
	free(p->items);
}

/* ---- what may go ---- */

static bool may_go(void *arg, struct execution *e)
{
	(void)arg;
	return e->lifetime == LIFETIME_TTL &&
	       atomic_load_explicit(&e->open, memory_order_relaxed) == 0;
}

static int add_execution(void *arg, struct execution *e)
{
	struct pass *p = arg;
	int64_t activity = exec_activity_ns(p->ev->table, e);
	struct candidate *c;
	bool pinned;

	{
		LOCK_SCOPE(&e->lock);
		pinned = e->pinned;
	}
	if (pinned)
		return 0;
	if (activity > p->idle_since_ns) {
		p->young++;
		return 0;
	}
	c = pass_add(p);
	if (!c)
		return -ENOMEM;
	*c = (struct candidate){ .activity_ns = activity, .exec = exec_ref(e) };
	return 0;
}

/* A file of its own lifetime has no pin but "never"; an empty one is a lock, which gives no room. */
static int add_file(void *arg, const struct ledger_file *f)
{
	struct pass *p = arg;
	struct candidate *c;

	if (f->activity_ns > p->idle_since_ns) {
		p->young++;
		return 0;
	}
	c = pass_add(p);
	if (!c)
		return -ENOMEM;
	*c = (struct candidate){ .activity_ns = f->activity_ns, .file = *f };
	return 0;
}

static int by_activity(const void *a, const void *b)
{
	int64_t x = ((const struct candidate *)a)->activity_ns;
	int64_t y = ((const struct candidate *)b)->activity_ns;

	return (x > y) - (x < y);
}

static int collect(struct pass *p)
{
	struct evict *ev = p->ev;
	struct execution *others = exec_lookup(ev->table, RULE_OTHER);
	int r = exec_each_wanted(ev->table, may_go, add_execution, p);

	if (r == 0 && others) {
		(void)!ledger_sync(ev->ledger); /* on a full disk it cannot: then what it knew */
		r = ledger_each_idle_file(ev->ledger, exec_number(others), FILES_PER_PASS, add_file,
					  p);
	}
	exec_unref(ev->table, others);
	if (p->n > 0)
		qsort(p->items, p->n, sizeof(*p->items), by_activity);
	return r;
}

/* ---- its end ---- */

static void say_gone(const struct evict *ev, const struct candidate *c, const char *what,
		     const struct in_use_room *freed)
{
	log_info("evicted %s idle=%.1fs freed=%llu inodes=%llu: room was needed", what,
		 (double)(ledger_now_ns(ev->ledger) - c->activity_ns) / NS_PER_S,
		 (unsigned long long)(freed->bytes + freed->away_bytes),
		 (unsigned long long)freed->inodes);
}

/* What counts of it. */
static uint64_t bytes_of(const struct pass *p, const struct in_use_room *freed)
{
	return freed->bytes + (p->away ? freed->away_bytes : 0);
}

/* What was spilled gives nothing if it goes. */
static bool is_of_use(const struct pass *p, const struct in_use_room *freed)
{
	return !p->ev->spills || bytes_of(p, freed) > 0 ||
	       (p->need.inodes > 0 && freed->inodes > 0);
}

/* False: it has waited enough. */
static bool wait_a_moment(struct pass *p)
{
	struct timespec ts = { .tv_nsec = RETRY_NS };

	if (p->patience_ns <= 0)
		return false;
	p->patience_ns -= RETRY_NS;
	(void)nanosleep(&ts, NULL);
	return true;
}

/* 0, -EBUSY in use, -errno. */
static int take_execution(struct pass *p, const struct candidate *c, struct in_use_room *freed)
{
	struct execution *e = c->exec;
	struct in_use_upcalls asks = { .ctx = p->up->ctx,
				       .is_lent = p->up->is_lent,
				       .give_up = p->up->give_up,
				       .ledger = p->ev->ledger };
	struct exec_release_args args = { .reason = LEDGER_EVICTED, .only_if_idle = true };
	char what[RULE_ID_MAX + 16];
	int r;

	args.events = atomic_load(&e->events);
	if (exec_activity_ns(p->ev->table, e) > p->idle_since_ns)
		return -EBUSY;
	{
		LOCK_SCOPE(&e->lock);
		if (e->pinned)
			return -EBUSY;
	}
	do
		r = in_use_check(p->ev->store, e, &asks, freed);
	while (r == -EBUSY && atomic_load(&e->open) == 0 && wait_a_moment(p));
	if (r == 0)
		r = is_of_use(p, freed) ? exec_release(p->ev->table, e, &args) : -EBUSY;
	if (r < 0)
		return r;
	atomic_fetch_add(&p->ev->executions, 1);
	(void)snprintf(what, sizeof(what), "execution=%s", e->id);
	say_gone(p->ev, c, what, freed);
	return 0;
}

static int take_file(struct pass *p, const struct candidate *c, struct in_use_room *freed)
{
	struct reaper_doomed d = {
		.ino = c->file.ino,
		.handle = { .type = c->file.handle_type, .len = c->file.handle_len },
		.execution = c->file.execution,
		.activity_ns = c->file.activity_ns,
		.ttl_ns = c->file.ttl_ns,
		.reason = LEDGER_EVICTED,
	};
	char what[48];
	int r;

	memcpy(d.handle.bytes, c->file.handle, c->file.handle_len);
	in_use_room_of(p->ev->store, p->ev->ledger, &d.handle, freed);
	r = is_of_use(p, freed) ? p->up->remove_file(p->up->ctx, &d) : -EBUSY;
	if (r < 0)
		return r;
	atomic_fetch_add(&p->ev->files, 1);
	(void)snprintf(what, sizeof(what), "file ino=%llu", (unsigned long long)c->file.ino);
	say_gone(p->ev, c, what, freed);
	return 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void take_until_enough(struct pass *p)
{
	for (size_t i = 0; i < p->n && room_is_over(&p->need); i++) {
		const struct candidate *c = &p->items[i];
		struct in_use_room freed = { 0 };
		int r = c->exec ? take_execution(p, c, &freed) : take_file(p, c, &freed);

		if (r < 0) {
			if (r != -EBUSY && r != -ESTALE)
				log_debug("cannot evict error=%s, going on", log_errname(r));
			continue;
		}
		p->gone++;
		p->shared |= freed.shared;
		atomic_fetch_add(&p->ev->bytes, freed.bytes + freed.away_bytes);
		p->need.bytes = less(p->need.bytes, bytes_of(p, &freed));
		p->need.inodes = less(p->need.inodes, freed.inodes);
		(void)!trash_empty(p->ev->table->trash); /* what resists is the trash's to say */
	}
}

/* What stubs that went had in common counts as given back, so it is, before anybody looks again. */
static void collect_garbage(struct pass *p)
{
	if (!p->shared || !p->up->collect)
		return;
	(void)!ledger_sync(p->ev->ledger); /* on a full disk it cannot: then it stays until later */
	p->up->collect(p->up->ctx);
}

/* Returns whether it was, or will soon be, of use. */
static bool make_room(struct evict *ev, const struct reaper_upcalls *up,
		      const struct room_excess *need)
{
	struct pass p = { .ev = ev, .up = up, .need = *need, .patience_ns = PATIENCE_NS };
	int r;

	p.away = ev->spills && spilling_is_full(ev->spilling);
	p.idle_since_ns = ledger_now_ns(ev->ledger) - IDLE_MIN_NS;
	r = collect(&p);
	if (r < 0)
		log_debug("evict: not all that may go is known error=%s", log_errname(r));
	take_until_enough(&p);
	collect_garbage(&p);
	if (p.gone > 0 && p.away)
		spilling_try_again(ev->spilling);
	if (p.gone == 0 && p.young == 0 && !ev->said_nothing_left) {
		log_warning(
			"the store is full and nothing can go: all that is left is in use, pinned or "
			"not batonfs's to remove; release something, or make the store larger");
		ev->said_nothing_left = true;
	}
	ev->unfinished = room_is_over(&p.need) && p.young > 0;
	pass_done(&p);
	return p.gone > 0 || p.young > 0;
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
	uint64_t grown = less(room->bytes.used, ev->used_bytes);
	int64_t next = REAPER_TICK_NS;

	if (ev->looked_mono_ns && grown > 0 && left > 0) {
		double rate = (double)grown / (double)(now - ev->looked_mono_ns + 1);
		double half = (double)left / 2 / rate;

		if (half < (double)next)
			next = MAX_OF((int64_t)half, LOOK_MIN_NS);
	}
	if (ev->unfinished)
		next = MIN_OF(next, IDLE_MIN_NS);
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
	*ret = (struct reaper_counts){
		.evicted_executions = atomic_load(&ev->executions),
		.evicted_files = atomic_load(&ev->files),
		.evicted_bytes = atomic_load(&ev->bytes),
	};
}

int evict_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	      const struct room_marks *marks, struct evict **ret)
{
	const struct reaper_upcalls none = { .ctx = NULL };
	struct evict *ev = calloc(1, sizeof(*ev));
	struct room room;

	if (!ev)
		return -ENOMEM;
	ev->table = t;
	ev->store = store;
	ev->ledger = ledger;
	ev->marks = *marks;
	ev->spills = blobs_have_away(store->blobs);
	if (spilling_new(t, store, ledger, &ev->spilling) < 0) {
		free(ev);
		return -ENOMEM;
	}
	if (ev->spills &&
	    look(ev, &room) == 0) /* after a takeover the first file is not to wait for a look */
		judge(ev, &none, &room, false);
	*ret = ev;
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
	free(ev);
}
