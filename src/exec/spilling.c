/* SPDX-License-Identifier: MIT */
/*
 * One run: what may go, in the order of its last use, until enough is given back. An execution that has nothing left
 * to give is passed over until something happens in it.
 */
#include "exec/spilling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec_table.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* A run ends after so long, or after the file that it is at. Source: lifetimes are looked at twice a second, too. */
#define RUN_NS (NS_PER_S / 2)

/* What was changed less than so long ago stays. Source: longer than writer and reader take to hand over a file. */
#define IDLE_MIN_NS (100 * NS_PER_MS)

/* The directory that refused is tried again after so long. Source: seldom enough not to matter. */
#define AGAIN_NS (2 * NS_PER_S)

/* What it refuses is said again after so long. */
#define SAY_AGAIN_NS (600 * NS_PER_S)

/* Files with a lifetime of their own that are looked at in a run, and files of an execution at once. */
#define FILES_PER_RUN 1024
#define FILES_AT_ONCE 64

struct spilling {
	/* Constant. */
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */

	/* The reaper's thread's own. */
	int64_t refused_until_mono_ns; /* 0: not refused */
	bool full;		       /* refused for want of room */
	int64_t say_again_mono_ns;
	int64_t say_moved_mono_ns; /* the next line of the log is not before */
	uint64_t unsaid_contents;  /* for that */
	uint64_t unsaid_bytes;

	_Atomic bool stop;
};

/* Something that may have content to give. */
struct source {
	int64_t activity_ns;	/* the ledger's time */
	struct execution *exec; /* a reference; NULL: a file or a blob */
	uint64_t events;	/* of it; what these did is in the ledger, unless it is 0 */
	uint64_t ino;		/* 0: a blob */
	struct handle handle;
	struct blob_name blob;
};

struct run {
	struct spilling *sp;
	struct seal *seal;
	struct spill how;
	int64_t end_mono_ns;
	uint64_t need_bytes;
	struct spilling_result *result;
	uint32_t moved;
	bool refused;
	bool rows_are_right;  /* the ledger knows all files there were */
	struct source *items; /* owned, with the references */
	size_t n;
	size_t room;
};

static void run_done(struct run *run)
{
	for (size_t i = 0; i < run->n; i++)
		exec_unref(run->sp->table, run->items[i].exec);
	free(run->items);
}

static struct source *add(struct run *run)
{
	if (run->n == run->room) {
		size_t room = run->room ? run->room * 2 : 64;
		struct source *grown = reallocarray(run->items, room, sizeof(*grown));

		if (!grown)
			return NULL;
		run->items = grown;
		run->room = room;
	}
	return &run->items[run->n++];
}

/* ---- what there is ---- */

/* Something happened since all of it was looked at. */
static bool is_worth_it(void *arg, struct execution *e)
{
	(void)arg;
	return atomic_load(&e->spilled_events) != atomic_load(&e->events) + 1;
}

static int add_execution(void *arg, struct execution *e)
{
	struct run *run = arg;
	struct source *s = add(run);
	uint64_t events = atomic_load(&e->events);

	if (!s)
		return -ENOMEM;
	*s = (struct source){
		.activity_ns = exec_activity_ns(run->sp->table, e),
		.exec = exec_ref(e),
		.events = atomic_load(&e->busy) == 0 ? events : 0,
	};
	return 0;
}

static int add_file(void *arg, const struct ledger_file *f)
{
	struct source *s = add(arg);

	if (!s)
		return -ENOMEM;
	*s = (struct source){
		.activity_ns = f->activity_ns,
		.ino = f->ino,
		.handle = { .type = f->handle_type, .len = f->handle_len },
	};
	memcpy(s->handle.bytes, f->handle, f->handle_len);
	return 0;
}

static int add_blob(void *arg, const struct blob_info *info, const char *entry)
{
	struct run *run = arg;
	struct source *s;
	int64_t activity = 0;

	(void)entry;
	if (info->away || !info->name.text[0] || info->stored_bytes < STUB_MIN ||
	    ledger_blob_activity(run->sp->ledger, info->name.text, &activity) < 0 || activity == 0)
		return 0;
	s = add(run);
	if (!s)
		return -ENOMEM;
	*s = (struct source){ .activity_ns = activity, .blob = info->name };
	return 0;
}

static int by_activity(const void *a, const void *b)
{
	int64_t x = ((const struct source *)a)->activity_ns;
	int64_t y = ((const struct source *)b)->activity_ns;

	return (x > y) - (x < y);
}

static void collect(struct run *run)
{
	struct spilling *sp = run->sp;
	int r = exec_each_wanted(sp->table, is_worth_it, add_execution, run);
	struct ledger_stats stats;

	/* On a full store it cannot be written: then what it knew. */
	run->rows_are_right = ledger_sync(sp->ledger) == 0;
	ledger_stats(sp->ledger, &stats);
	run->rows_are_right &= stats.agrees;
	if (r == 0)
		r = ledger_each_filled_file(sp->ledger, STUB_MIN, FILES_PER_RUN, add_file, run);
	if (r == 0)
		r = blob_each(sp->store->blobs, add_blob, run);
	if (r < 0)
		log_debug("spill: not all that may go is known error=%s", log_errname(r));
	if (run->n > 0)
		qsort(run->items, run->n, sizeof(*run->items), by_activity);
}

/* ---- moving it ---- */

static bool may_go_on(void *ctx)
{
	const struct spilling *sp = ctx;

	return !atomic_load(&sp->stop);
}

static bool is_over(struct run *run)
{
	if (run->refused || run->need_bytes == 0 || !may_go_on(run->sp))
		return true;
	if (clock_mono_ns() < run->end_mono_ns)
		return false;
	run->result->more = true;
	return true;
}

/* Say what the directory does not take, and leave it alone for a while. */
static void note_refused(struct run *run, int err)
{
	struct spilling *sp = run->sp;
	int64_t now = clock_mono_ns();

	run->refused = true;
	sp->full = err == -ENOSPC || err == -EDQUOT;
	sp->refused_until_mono_ns = now + AGAIN_NS;
	if (now < sp->say_again_mono_ns)
		return;
	sp->say_again_mono_ns = now + SAY_AGAIN_NS;
	log_warning("cannot spill error=%s: going on without, trying again", log_errname(err));
}

/* Returns whether it may be worth another try. */
static bool note(struct run *run, int err, const struct spill_result *r)
{
	if (err == 0) {
		run->moved++;
		run->result->bytes += r->bytes;
		run->need_bytes -= MIN_OF(run->need_bytes, r->bytes);
		return false;
	}
	run->result->young |= r->young;
	if (r->refused)
		note_refused(run, err);
	if (err == -ENODATA || err == -ESTALE)
		return false;
	if (err != -EBUSY && err != -ECANCELED)
		log_debug("spill error=%s, going on", log_errname(err));
	return true;
}

static bool spill_one(struct run *run, uint64_t ino, const struct handle *h)
{
	struct spill_result r;

	return note(run, seal_spill_file(run->seal, &run->how, ino, h, &r), &r);
}

static void spill_execution(struct run *run, const struct source *s)
{
	_cleanup_free_ struct ledger_twin *rows = calloc(FILES_AT_ONCE, sizeof(*rows));
	uint64_t number = exec_number(s->exec);
	uint64_t after = 0;
	bool left = !rows;
	int n = 0;

	while (rows && (n = ledger_filled_files_of(run->sp->ledger, number, after, STUB_MIN,
						   FILES_AT_ONCE, rows)) > 0) {
		for (int i = 0; i < n; i++) {
			struct handle h = { .type = rows[i].handle_type,
					    .len = rows[i].handle_len };

			if (is_over(run))
				return;
			memcpy(h.bytes, rows[i].handle, rows[i].handle_len);
			left |= spill_one(run, rows[i].ino, &h);
		}
		after = rows[n - 1].ino;
	}
	if (!left && n == 0 && run->rows_are_right && s->events > 0)
		atomic_store(&s->exec->spilled_events, s->events + 1);
	run->result->more |= left;
}

static void spill_blob_of(struct run *run, const struct blob_name *name)
{
	struct spill_result r;

	run->result->more |= note(run, seal_spill_blob(run->seal, &run->how, name, &r), &r);
}

static void spill_in_order(struct run *run)
{
	for (size_t i = 0; i < run->n && !is_over(run); i++) {
		const struct source *s = &run->items[i];

		if (s->exec)
			spill_execution(run, s);
		else if (s->ino)
			run->result->more |= spill_one(run, s->ino, &s->handle);
		else
			spill_blob_of(run, &s->blob);
	}
}

/* A line a second at most; what is not said is said with the next. */
static void say_moved(struct run *run)
{
	struct spilling *sp = run->sp;
	int64_t now = clock_mono_ns();

	sp->unsaid_contents += run->moved;
	sp->unsaid_bytes += run->result->bytes;
	if (sp->unsaid_contents == 0 || now < sp->say_moved_mono_ns)
		return;
	log_info("spilled files=%llu bytes=%llu: room was needed",
		 (unsigned long long)sp->unsaid_contents, (unsigned long long)sp->unsaid_bytes);
	sp->say_moved_mono_ns = now + NS_PER_S;
	sp->unsaid_contents = sp->unsaid_bytes = 0;
}

void spilling_run(struct spilling *sp, struct seal *seal, uint64_t bytes,
		  struct spilling_result *ret)
{
	int64_t now = clock_mono_ns();
	struct run run = {
		.sp = sp,
		.seal = seal,
		.how = { .may = may_go_on,
			 .ctx = sp,
			 .idle_since_real_ns = clock_real_ns() - IDLE_MIN_NS },
		.end_mono_ns = now + RUN_NS,
		.need_bytes = bytes,
		.result = ret,
	};

	*ret = (struct spilling_result){ 0 };
	if (now < sp->refused_until_mono_ns)
		return;
	sp->full = false;
	collect(&run);
	spill_in_order(&run);
	say_moved(&run);
	run_done(&run);
}

bool spilling_is_full(const struct spilling *sp)
{
	return sp->full;
}

void spilling_try_again(struct spilling *sp)
{
	sp->refused_until_mono_ns = 0;
}

void spilling_stop(struct spilling *sp)
{
	atomic_store(&sp->stop, true);
}

int spilling_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		 struct spilling **ret)
{
	struct spilling *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return -ENOMEM;
	sp->table = t;
	sp->store = store;
	sp->ledger = ledger;
	*ret = sp;
	return 0;
}

void spilling_free(struct spilling *sp)
{
	free(sp);
}
