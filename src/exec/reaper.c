/* SPDX-License-Identifier: MIT */
/*
 * The reaper. Twice a second it writes down who was active, and releases what is over. "In use" is the
 * kernel's answer (store/lease.h): the open counters only save asking.
 */
#include "exec/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "store/lease.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/log.h"

/* Files of their own lifetime looked at in one tick; the rest follows in the next. */
#define FILES_PER_TICK 4096

/* Activity is written down when it is this much newer than what the ledger knows. */
#define SAVE_EVERY_NS NS_PER_S

struct reaper {
	/* Constant. */
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	struct reaper_upcalls up;
	pthread_t thread;

	/* The thread's own. */
	bool ledger_failed;  /* said so already */
	int64_t now_mono_ns; /* of this tick */

	struct lock lock; /* rank LOCK_CONTROL: nothing is held when it is taken */
	pthread_cond_t wake;
	bool stop; /* lock */
};

/* 0 free or gone, -EBUSY in use; an answer that cannot be had (-EMFILE) is no permission. */
static int ask_lease(struct reaper *r, uint64_t ino, const struct handle *h)
{
	int ret = lease_in_use(r->store->fd, h);

	if (ret == 0 && r->up.is_lent)
		ret = r->up.is_lent(r->up.ctx, ino, h);
	if (ret == 1)
		return -EBUSY;
	return ret == -ESTALE || ret == -ENOENT ? 0 : ret;
}

static int check_entry(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct reaper *r = arg;

	(void)ret_tag;
	if (!S_ISREG(w->st->st_mode))
		return 0;
	return ask_lease(r, w->st->st_ino, w->handle);
}

/* Is any file of the execution open or mapped? -EBUSY if so. */
static int check_in_use(struct reaper *r, struct execution *e)
{
	struct handle dir;
	struct handle h;
	struct stat st;
	int ret = 0;

	if (exec_dir(e, &dir) == 0)
		ret = walk(r->store->fd, &dir, 0, check_entry, r);
	for (size_t i = 0; ret == 0; i++) {
		char name[256];

		if (!exec_flat_name(e, i, name, sizeof(name)))
			break;
		if (handle_at(r->store->tree_fd, name, &h) == 0 &&
		    fstatat(r->store->tree_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			ret = ask_lease(r, st.st_ino, &h);
	}
	return ret;
}

static void save_activity(struct reaper *r, struct execution *e)
{
	int64_t activity = atomic_load(&e->activity_mono_ns);

	LOCK_SCOPE(&e->lock);
	if (!e->number || activity - atomic_load(&e->saved_mono_ns) < SAVE_EVERY_NS)
		return;
	atomic_store(&e->saved_mono_ns, activity);
	ledger_execution_activity(r->ledger, e->number,
				  clock_real_ns() - clock_ns(CLOCK_MONOTONIC_COARSE) + activity);
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
	ttl = e->ttl_ns == LEDGER_TTL_DEFAULT ? exec_table_config(r->table)->ttl_ns : e->ttl_ns;
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
 * Files that were created while the directory above them changed hands may be counted on the wrong side. The
 * rows know better, once everything is in them.
 */
static void recount(struct reaper *r, struct execution *e)
{
	uint64_t number = exec_number(e);
	uint64_t files_before;
	uint64_t bytes_before;
	uint64_t files;
	uint64_t bytes;

	if (!number || !atomic_exchange(&e->recount, false))
		return;
	files_before = atomic_load(&e->files);
	bytes_before = atomic_load(&e->bytes);
	if (ledger_sync(r->ledger) < 0 || ledger_usage(r->ledger, number, &files, &bytes) < 0 ||
	    atomic_load(&e->files) != files_before || atomic_load(&e->bytes) != bytes_before)
		atomic_store(&e->recount, true); /* it is being used: later */
	else
		exec_account(e, (int64_t)(files - files_before), (int64_t)(bytes - bytes_before));
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
	struct exec_release_args args = { .reason = LEDGER_EXPIRED, .only_if_idle = true };
	int ret;

	save_activity(r, e);
	recount(r, e);
	if (!is_over(r, e, &args.events)) {
		let_vanish(r, e);
		return 0;
	}
	ret = check_in_use(r, e);
	if (ret == 0)
		ret = exec_release(r->table, e, &args);
	if (ret == 0) {
		log_debug("expired execution=%s", e->id);
	} else if (ret != -ESTALE) {
		LOCK_SCOPE(&e->lock);
		e->retry_mono_ns = clock_ns(CLOCK_MONOTONIC_COARSE) + REAPER_RETRY_NS;
		if (ret != -EBUSY)
			log_warning("cannot release expired execution=%s error=%s, retrying", e->id,
				    log_errname(ret));
	}
	return 0;
}

static int expire_file(void *arg, const struct ledger_file *f)
{
	struct reaper *r = arg;
	struct handle h = { .type = f->handle_type, .len = f->handle_len };
	int ret;

	memcpy(h.bytes, f->handle, f->handle_len);
	ret = r->up.expire_file(r->up.ctx, f->ino, &h, f->activity_real_ns, f->ttl_ns);
	if (ret <
	    0) /* counts as activity: it lives as long again, and does not keep others waiting */
		ledger_file_activity(r->ledger, f->ino, clock_real_ns());
	if (ret < 0 && ret != -EBUSY)
		log_warning(
			"cannot remove expired file ino=%llu error=%s, retrying when it is over again",
			(unsigned long long)f->ino, log_errname(ret));
	return 0;
}

static void look_at_files(struct reaper *r)
{
	int64_t ttl = exec_table_config(r->table)->ttl_ns;
	int64_t now = clock_real_ns();
	int64_t next = INT64_MAX;
	int ret = ledger_next_file_expiry(r->ledger, ttl, &next);

	if (ret == 0 && next > now)
		return;
	if (ret == 0)
		ret = ledger_sync(r->ledger); /* what was opened meanwhile must be in the rows */
	if (ret == 0)
		ret = ledger_each_expired_file(r->ledger, now, ttl, FILES_PER_TICK, expire_file, r);
	if (ret < 0 && !r->ledger_failed)
		log_warning("reaper: cannot use the ledger error=%s, retrying", log_errname(ret));
	r->ledger_failed = ret < 0;
}

/* Until it is time to look again. False: the end. */
static bool wait_for_tick(struct reaper *r)
{
	int64_t next = clock_mono_ns() + REAPER_TICK_NS;

	LOCK_SCOPE(&r->lock);
	while (!r->stop && lock_wait_until(&r->lock, &r->wake, next) == 0)
		;
	return !r->stop;
}

static void *run(void *arg)
{
	struct reaper *r = arg;

	while (wait_for_tick(r)) {
		r->now_mono_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
		if (exec_each_wanted(r->table, is_wanted, look_at, r) < 0)
			log_warning("reaper: out of memory, retrying");
		look_at_files(r);
	}
	(void)!exec_each_wanted(r->table, is_vacant, let_vanish_now, r); /* -ENOMEM: they stay */
	return NULL;
}

int reaper_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	       const struct reaper_upcalls *up, struct reaper **ret)
{
	_cleanup_free_ struct reaper *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->table = t;
	r->store = store;
	r->ledger = ledger;
	r->up = *up;
	lock_init(&r->lock, LOCK_CONTROL);
	lock_cond_init(&r->wake);
	err = pthread_create(&r->thread, NULL, run, r);
	if (err)
		return -err;
	*ret = TAKE_PTR(r);
	return 0;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	{
		LOCK_SCOPE(&r->lock);
		r->stop = true;
		(void)pthread_cond_signal(&r->wake);
	}
	(void)pthread_join(r->thread, NULL);
	(void)pthread_cond_destroy(&r->wake);
	lock_done(&r->lock);
	free(r);
}
