/* SPDX-License-Identifier: MIT */
/*
 * The reaper. Twice a second it writes down who was active, and releases what is over.
 */
#include "exec/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "exec/evict.h"
#include "exec/exec_table.h"
#include "exec/in_use.h"
#include "exec/recover.h"
#include "store/boot.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/log.h"

/* Files of their own lifetime looked at in one tick; the rest follows in the next. */
#define FILES_PER_TICK 4096

/* Activity is written down when it is this much newer than what the ledger knows. */
#define SAVE_EVERY_NS NS_PER_S

/* How often it is noted how late it is. Source: what a start after a power failure forgets of lifetimes, at most. */
#define NOTE_EVERY_NS (600 * NS_PER_S)

/*
 * What is used is in the ledger so much later, at most, as long as that is written. Source: SAVE_EVERY_NS, a tick, and how
 * long an attempt takes that fails.
 */
#define TOLD_WITHIN_NS (3 * NS_PER_S)

/* The ledger's log is spoken of when it has so much, and each time that it has doubled. Source: four times what is kept of it. */
#define LOG_LARGE_BYTES (UINT64_C(64) << 20)

struct reaper {
	/* Constant. */
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	struct evict *evict;	   /* owned */
	struct reaper_upcalls up;  /* since reaper_start() */
	pthread_t thread;	   /* the same */
	bool started;

	/* The thread's own. */
	bool ledger_failed;  /* said so already */
	bool ledger_refuses; /* to be written, as of this tick */
	bool untold;	     /* the store says that the ledger does not have all that was used */
	bool said_lost;
	uint64_t log_told_bytes; /* what the ledger's log had when that was said; 0: it was not */
	uint64_t lost;		 /* events that the ledger has lost, and that were made up for */
	struct recover *rebuild; /* owned; does so, or has; NULL: never needed */
	int64_t now_mono_ns;	 /* of this tick */
	int64_t next_tick_mono_ns;
	int64_t next_look_mono_ns; /* how full the store is */
	int64_t next_note_mono_ns; /* how late it is */
	bool sees_limits;	   /* of the host's control groups */

	struct lock lock; /* rank LOCK_CONTROL: nothing is held when it is taken */
	pthread_cond_t wake;
	bool stop;		 /* lock */
	struct room_marks marks; /* lock */
	bool marks_changed;	 /* lock: evict does not have them yet */

	_Atomic bool watched; /* room.high is set: the next two are of use */
	_Atomic bool look;    /* how full the store is, at once; set before `wake` is signalled */
	_Atomic bool full;    /* the same, and somebody was told ENOSPC */

	_Atomic uint64_t passes; /* these two since the start */
	_Atomic uint64_t deferred;
};

static void save_activity(struct reaper *r, struct execution *e)
{
	int64_t activity = atomic_load(&e->activity_mono_ns);

	LOCK_SCOPE(&e->lock);
	if (!e->number || activity - atomic_load(&e->saved_mono_ns) < SAVE_EVERY_NS)
		return;
	atomic_store(&e->saved_mono_ns, activity);
	ledger_execution_activity(r->ledger, e->number, ledger_base_ns(r->ledger) + activity);
}

/*
 * Whether its time is over; `ret_events` is the activity counter the decision rests on. If not, it is not asked
 * again before it can be: an open counts as activity when it ends.
 */
static bool is_over(struct reaper *r, struct execution *e, uint64_t *ret_events)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	int64_t ttl;
	int64_t since;
	int64_t due = INT64_MAX;

	*ret_events = atomic_load(&e->events);
	LOCK_SCOPE(&e->lock);
	ttl = e->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(r->table) : e->ttl_ns;
	if (e->lifetime == LIFETIME_TTL && ttl != LEDGER_TTL_NEVER && !e->pinned) {
		since = atomic_load(&e->open) > 0 ? now : atomic_load(&e->activity_mono_ns);
		due = since > INT64_MAX - ttl ? INT64_MAX : since + ttl;
		due = MAX_OF(due, e->retry_mono_ns);
	}
	atomic_store(&e->due_mono_ns, due);
	return due <= now;
}

/* Whether there is anything to do: asked of all of them, twice a second. */
static bool is_wanted(void *arg, struct execution *e)
{
	struct reaper *r = arg;

	return atomic_load_explicit(&e->due_mono_ns, memory_order_relaxed) <= r->now_mono_ns ||
	       atomic_load_explicit(&e->activity_mono_ns, memory_order_relaxed) -
			       atomic_load_explicit(&e->saved_mono_ns, memory_order_relaxed) >=
		       SAVE_EVERY_NS ||
	       atomic_load_explicit(&e->vacant, memory_order_relaxed) ||
	       atomic_load_explicit(&e->recount, memory_order_relaxed);
}

/*
 * Whether the rows tell of all that the sums have. An operation tells of what it counts before it ends; with
 * limit=strict who writes is counted at once, and told of when he closes.
 */
static bool is_told(struct reaper *r, struct execution *e)
{
	struct exec_limits limits = exec_default_limits(r->table);

	return atomic_load(&e->busy) == 0 &&
	       !(limits.strict && limits.bytes > 0 && atomic_load(&e->open) > 0);
}

/*
 * Files that were created while the directory above them changed hands may be counted on the wrong side. The
 * rows know better, once everything is in them.
 */
static void recount(struct reaper *r, struct execution *e)
{
	uint64_t number = exec_number(e);
	uint64_t files_before;
	int64_t bytes_before;
	uint64_t files;
	uint64_t bytes;

	if (r->ledger_refuses || !number || !atomic_load(&e->recount) || !is_told(r, e))
		return;
	atomic_store(&e->recount, false);
	files_before = atomic_load(&e->files);
	bytes_before = size_sum_get(&e->bytes);
	if (ledger_sync(r->ledger) < 0 || ledger_usage(r->ledger, number, &files, &bytes) < 0 ||
	    atomic_load(&e->files) != files_before || size_sum_get(&e->bytes) != bytes_before) {
		atomic_store(&e->recount, true); /* it is being used: later */
		return;
	}
	exec_account(e, (int64_t)(files - files_before), 0);
	exec_correct_bytes(e, bytes_before, bytes);
}

static void let_vanish(struct reaper *r, struct execution *e)
{
	int64_t idle = clock_ns(CLOCK_MONOTONIC_COARSE) - atomic_load(&e->activity_mono_ns);

	if (atomic_load(&e->vacant) && idle >= EXEC_LINGER_NS && atomic_exchange(&e->vacant, false))
		r->up.vanish(r->up.ctx, e);
}

static bool is_vacant(void *arg, struct execution *e)
{
	(void)arg;
	return atomic_load(&e->vacant);
}

/* At the end nobody comes back; and who starts next does not know which directories may go. */
static int let_vanish_now(void *arg, struct execution *e)
{
	struct reaper *r = arg;

	if (atomic_exchange(&e->vacant, false))
		r->up.vanish(r->up.ctx, e);
	return 0;
}

static int look_at(void *arg, struct execution *e)
{
	struct reaper *r = arg;
	struct in_use_upcalls asks = { .ctx = r->up.ctx, .is_lent = r->up.is_lent };
	struct exec_release_args args = { .reason = LEDGER_EXPIRED, .only_if_idle = true };
	struct in_use_room room;
	int ret;

	save_activity(r, e);
	recount(r, e);
	if (!is_over(r, e, &args.events)) {
		let_vanish(r, e);
		return 0;
	}
	ret = in_use_check(r->store, e, &asks, &room);
	if (ret == 0)
		ret = exec_release(r->table, e, &args);
	if (ret == 0) {
		log_debug("expired execution=%s", e->id);
	} else if (ret != -ESTALE) {
		LOCK_SCOPE(&e->lock);
		e->retry_mono_ns = clock_ns(CLOCK_MONOTONIC_COARSE) + REAPER_RETRY_NS;
		if (ret == -EBUSY)
			atomic_fetch_add(&r->deferred, 1);
		else
			log_warning("cannot release expired execution=%s error=%s, retrying", e->id,
				    log_errname(ret));
	}
	return 0;
}

static int expire_file(void *arg, const struct ledger_file *f)
{
	struct reaper *r = arg;
	struct reaper_doomed d = {
		.ino = f->ino,
		.handle = { .type = f->handle_type, .len = f->handle_len },
		.execution = f->execution,
		.activity_ns = f->activity_ns,
		.ttl_ns = f->ttl_ns,
		.reason = LEDGER_EXPIRED,
	};
	int ret;

	memcpy(d.handle.bytes, f->handle, f->handle_len);
	ret = r->up.remove_file(r->up.ctx, &d);
	if (ret <
	    0) /* counts as activity: it lives as long again, and does not keep others waiting */
		ledger_file_activity(r->ledger, f->ino, ledger_now_ns(r->ledger));
	if (ret == -EBUSY)
		atomic_fetch_add(&r->deferred, 1);
	else if (ret < 0)
		log_warning(
			"cannot remove expired file ino=%llu error=%s, retrying when it is over again",
			(unsigned long long)f->ino, log_errname(ret));
	return 0;
}

static void look_at_files(struct reaper *r)
{
	int64_t ttl = exec_default_ttl(r->table);
	int64_t now = ledger_now_ns(r->ledger);
	int64_t next = INT64_MAX;
	int ret = ledger_next_file_expiry(r->ledger, ttl, &next);

	if (ret == 0 && next > now)
		return;
	/*
	 * What was opened meanwhile should be in the rows. If they cannot be written, the disk may be full, and then
	 * what is over must go all the same; the layer above knows of opens, too.
	 */
	if (ret == 0 && ledger_sync(r->ledger) < 0)
		log_debug("reaper: files expire by what the ledger knew");
	if (ret == 0)
		ret = ledger_each_expired_file(r->ledger, now, ttl, FILES_PER_TICK, expire_file, r);
	if (ret < 0 && !r->ledger_failed)
		log_warning("reaper: cannot use the ledger error=%s, retrying", log_errname(ret));
	r->ledger_failed = ret < 0;
}

/* The ledger has lost events because its disk was full: when it takes some again, all of it is set right. */
static void look_at_ledger(struct reaper *r)
{
	struct ledger_stats st;

	ledger_stats(r->ledger, &st);
	if (st.lost == r->lost)
		return;
	if (st.error < 0) {
		if (!r->said_lost)
			log_warning(
				"the ledger cannot be written error=%s; going on without it, and setting it "
				"right when it can be",
				log_errname(st.error));
		r->said_lost = true;
		return;
	}
	recover_files_free(r->rebuild);
	r->rebuild = NULL;
	if (recover_files_new(r->table, r->store, r->ledger, RECOVER_LOST, &r->up.recover,
			      &r->rebuild) < 0)
		return; /* no memory, or the start's is at it: retrying at the next tick */
	r->lost = st.lost;
	r->said_lost = false;
}

/* It is emptied by the way, but not beyond what somebody reads who began before. */
static void look_at_log(struct reaper *r)
{
	uint64_t bytes = ledger_log_bytes(r->store->fd);

	if (bytes < LOG_LARGE_BYTES)
		r->log_told_bytes = 0;
	if (bytes < MAX_OF(LOG_LARGE_BYTES, 2 * r->log_told_bytes))
		return;
	r->log_told_bytes = bytes;
	log_warning("ledger.db-wal has grown to %llu MiB; perhaps another program reads ledger.db "
		    "all the time, and keeps it from being emptied",
		    (unsigned long long)(bytes >> 20));
}

/* Whether somebody wants a look at how full the store is. */
static bool is_called(struct reaper *r)
{
	return atomic_load(&r->look) || atomic_load(&r->full);
}

/* Until there is something to do. False: the end. */
static bool wait_for_work(struct reaper *r)
{
	int64_t next = MIN_OF(r->next_tick_mono_ns, r->next_look_mono_ns);

	LOCK_SCOPE(&r->lock);
	while (!r->stop && !is_called(r) && lock_wait_until(&r->lock, &r->wake, next) == 0)
		;
	return !r->stop;
}

/* For a start of the machine after this. */
static void note_time(struct reaper *r)
{
	if (r->untold)
		return;
	boot_note_time(r->store->fd, ledger_now_ns(r->ledger));
	r->next_note_mono_ns = r->now_mono_ns + NOTE_EVERY_NS;
}

/* For a worker that is killed meanwhile: the next one goes by the rows, and would take for over what is in use. */
static void note_untold(struct reaper *r, const struct ledger_stats *st)
{
	if (r->ledger_refuses && !r->untold) {
		boot_note_untold(r->store->fd, ledger_now_ns(r->ledger) - TOLD_WITHIN_NS);
		r->untold = true;
	}
	if (!r->untold || r->ledger_refuses || !st->agrees || st->lost != r->lost)
		return;
	if (ledger_sync(r->ledger) < 0)
		return;
	boot_note_told(r->store->fd);
	r->untold = false;
}

static void tick(struct reaper *r)
{
	struct ledger_stats st;

	ledger_stats(r->ledger, &st);
	r->ledger_refuses = st.error < 0;
	note_untold(r, &st);
	r->now_mono_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
	if (exec_each_wanted(r->table, is_wanted, look_at, r) < 0)
		log_warning("reaper: out of memory, retrying");
	look_at_files(r);
	look_at_ledger(r);
	look_at_log(r);
	if (r->now_mono_ns >= r->next_note_mono_ns)
		note_time(r);
	atomic_fetch_add(&r->passes, 1);
	r->next_tick_mono_ns = clock_mono_ns() + REAPER_TICK_NS;
}

/* Limits of memory are read where the host's /sys is; all else is done by descriptors and handles. */
static void see_limits(struct reaper *r)
{
	if (r->sees_limits || !atomic_load(&r->watched))
		return;
	r->sees_limits = true;
	if (store_leave(r->store) < 0)
		log_warning("reaper: limits of control groups cannot be seen, ignoring");
}

static void look_for_room(struct reaper *r)
{
	bool full = atomic_exchange(&r->full, false);

	atomic_store(&r->look, false);
	{
		LOCK_SCOPE(&r->lock);
		if (r->marks_changed)
			evict_set_marks(r->evict, &r->marks);
		r->marks_changed = false;
	}
	see_limits(r);
	r->next_look_mono_ns = evict_look(r->evict, &r->up, full);
}

static void *run(void *arg)
{
	struct reaper *r = arg;

	(void)pthread_setname_np(pthread_self(), "reaper");
	r->next_tick_mono_ns = clock_mono_ns() + REAPER_TICK_NS;
	while (wait_for_work(r)) {
		if (clock_mono_ns() >= r->next_tick_mono_ns)
			tick(r);
		if (is_called(r) || clock_mono_ns() >= r->next_look_mono_ns)
			look_for_room(r);
	}
	(void)!exec_each_wanted(r->table, is_vacant, let_vanish_now, r); /* -ENOMEM: they stay */
	note_time(r);
	return NULL;
}

int reaper_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	       const struct room_marks *marks, struct reaper **ret)
{
	_cleanup_free_ struct reaper *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->table = t;
	r->store = store;
	r->ledger = ledger;
	r->marks = *marks;
	err = evict_new(t, store, ledger, marks, &r->evict);
	if (err < 0)
		return err;
	atomic_init(&r->watched, evict_is_wanted(r->evict, marks));
	lock_init(&r->lock, LOCK_CONTROL);
	lock_cond_init(&r->wake);
	*ret = TAKE_PTR(r);
	return 0;
}

int reaper_start(struct reaper *r, const struct reaper_upcalls *up)
{
	int err;

	r->up = *up;
	err = pthread_create(&r->thread, NULL, run, r);
	r->started = err == 0;
	return -err;
}

void reaper_stop(struct reaper *r)
{
	if (!r || !r->started)
		return;
	evict_stop(r->evict);
	{
		LOCK_SCOPE(&r->lock);
		r->stop = true;
		(void)pthread_cond_signal(&r->wake);
	}
	(void)pthread_join(r->thread, NULL);
	r->started = false;
	recover_files_free(r->rebuild);
	r->rebuild = NULL;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	reaper_stop(r);
	evict_free(r->evict);
	(void)pthread_cond_destroy(&r->wake);
	lock_done(&r->lock);
	free(r);
}

/* Once until it has been answered: the rest costs nothing but this. */
static void call(struct reaper *r, _Atomic bool *flag)
{
	if (atomic_exchange(flag, true))
		return;
	LOCK_SCOPE(&r->lock);
	(void)pthread_cond_signal(&r->wake);
}

void reaper_full(struct reaper *r)
{
	if (r && atomic_load(&r->watched))
		call(r, &r->full);
}

void reaper_grown(struct reaper *r, uint64_t bytes)
{
	if (r && atomic_load(&r->watched) && evict_grown(r->evict, bytes))
		call(r, &r->look);
}

void reaper_set_marks(struct reaper *r, const struct room_marks *marks)
{
	{
		LOCK_SCOPE(&r->lock);
		r->marks = *marks;
		r->marks_changed = true;
	}
	atomic_store(&r->watched, evict_is_wanted(r->evict, marks));
	call(r, &r->look);
}

void reaper_count(struct reaper *r, struct reaper_counts *ret)
{
	*ret = (struct reaper_counts){ 0 };
	evict_count(r->evict, ret);
	ret->passes = atomic_load(&r->passes);
	ret->deferred = atomic_load(&r->deferred);
}
