/* SPDX-License-Identifier: MIT */
/*
 * A pass: what may go, in the order of its last activity, goes until enough is freed by its blocks; it is deleted at once,
 * by this thread.
 */
#include "exec/evicting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec/exec_table.h"
#include "exec/in_use.h"
#include "store/blob_away.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Files of `_` that are looked at in one pass. */
#define FILES_PER_PASS 4096

/*
 * How long a pass waits, in all, for what is in use but not by clients who opened it: mostly this daemon itself has
 * it, to hash it or to put it into huge pages. Source: that takes some ms, and longest idle is to go first.
 */
#define PATIENCE_NS (50 * NS_PER_MS)
#define RETRY_NS NS_PER_MS

struct evicting {
	/* Constant. */
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	bool spills;		   /* there is a directory for it */

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
	struct evicting *ev;
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
	struct evicting *ev = p->ev;
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

static void say_gone(const struct evicting *ev, const struct candidate *c, const char *what,
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
		p->need.bytes = LESS_OF(p->need.bytes, bytes_of(p, &freed));
		p->need.inodes = LESS_OF(p->need.inodes, freed.inodes);
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

void evicting_run(struct evicting *ev, const struct reaper_upcalls *up,
		  const struct room_excess *need, bool away, struct evicting_result *ret)
{
	struct pass p = {
		.ev = ev, .up = up, .need = *need, .away = away, .patience_ns = PATIENCE_NS
	};
	int r;

	p.idle_since_ns = ledger_now_ns(ev->ledger) - EVICTING_IDLE_NS;
	r = collect(&p);
	if (r < 0)
		log_debug("evict: not all that may go is known error=%s", log_errname(r));
	take_until_enough(&p);
	collect_garbage(&p);
	*ret = (struct evicting_result){
		.gone = p.gone > 0,
		.young = p.young > 0,
		.enough = !room_is_over(&p.need),
	};
	pass_done(&p);
}

void evicting_count(const struct evicting *ev, struct reaper_counts *ret)
{
	*ret = (struct reaper_counts){
		.evicted_executions = atomic_load(&ev->executions),
		.evicted_files = atomic_load(&ev->files),
		.evicted_bytes = atomic_load(&ev->bytes),
	};
}

int evicting_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		 struct evicting **ret)
{
	struct evicting *ev = calloc(1, sizeof(*ev));

	if (!ev)
		return -ENOMEM;
	ev->table = t;
	ev->store = store;
	ev->ledger = ledger;
	ev->spills = blobs_have_away(store->blobs);
	*ret = ev;
	return 0;
}

void evicting_free(struct evicting *ev)
{
	free(ev);
}
