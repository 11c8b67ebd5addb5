/* SPDX-License-Identifier: MIT */
/*
 * The walk sees each file as it is at that moment, and clients go on meanwhile: what they report is newer than what it
 * has seen.
 */
#include "exec/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "exec/exec_table.h"
#include "exec/tally.h"
#include "store/mark.h"
#include "store/stub.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* How often it is looked whether the names that were changing have changed. */
#define NAMES_POLL_NS NS_PER_MS

/* Before a walk is begun again; twice as long each time, up to a point. Source: walks take a tenth of the time at most. */
#define NAMES_PAUSE_NS (20 * NS_PER_MS)
#define NAMES_PAUSE_MAX_NS (10 * NS_PER_S)

struct recover {
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	enum recover_how how;	   /* constant */
	struct recover_upcalls up; /* constant */
	pthread_t thread;
	_Atomic bool stop;
	uint64_t files;
};

void recover_describe_file(const struct ledger *ledger, const struct walk_entry *w, uint64_t number,
			   enum place place, struct ledger_file *f)
{
	_cleanup_close_ int fd = openat(w->dirfd, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int64_t ttl;

	*f = (struct ledger_file){
		.ino = w->st->st_ino,
		.execution = number,
		.size_bytes = (uint64_t)w->st->st_size,
		.ttl_ns = LEDGER_TTL_DEFAULT,
		.own_lifetime = place == PLACE_OTHER,
		.activity_ns = ledger_now_ns(ledger),
		.handle_len = w->handle->len,
		.handle_type = w->handle->type,
	};
	memcpy(f->handle, w->handle->bytes, w->handle->len);
	if (fd >= 0 && mark_get(fd, MARK_TTL, &ttl) == 0) {
		f->ttl_ns = ttl;
		f->own_lifetime = true;
	}
}

/*
 * After the row is reported: who makes it a stub now does so after that, and who did before has left the mark. An error
 * ends the walk, so that no blob is taken for garbage whose stub was not seen.
 */
static int settle(struct ledger *ledger, const struct recover_upcalls *up,
		  const struct walk_entry *w)
{
	_cleanup_close_ int fd = openat(w->dirfd, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct blob_name name;
	struct blob_name marked = { "" };
	int r = fd < 0 ? -errno : stub_get(fd, (uint64_t)w->st->st_size, &marked);

	if (r == -ENODATA || r == -ENOENT)
		return 0;
	if (fd < 0)
		return r;
	r = up->settle_stub(up->ctx, w->st->st_ino, w->handle, &name);
	if (r >= 0 || r == -ESTALE || r == -ENOENT)
		return 0;
	log_warning("stub not settled ino=%llu error=%s", (unsigned long long)w->st->st_ino,
		    log_errname(r));
	if (r == -EPERM && marked.text[0]) { /* immutable: nobody can change it just now */
		ledger_file_shared(ledger, w->st->st_ino, marked.text);
		return 0;
	}
	return r == -EINVAL ? 0 : r;
}

static int see(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct recover *rc = arg;
	struct ledger_file f;
	enum place place;
	uint64_t number;
	int r;

	if (atomic_load(&rc->stop))
		return -ECANCELED;
	r = tally_classify(rc->table, w, ret_tag, &number, &place);
	if (r < 0)
		return r;
	if (!S_ISREG(w->st->st_mode))
		return 0;
	if (number) {
		recover_describe_file(rc->ledger, w, number, place, &f);
		ledger_reconcile_seen(rc->ledger, &f);
		if (rc->how == RECOVER_LOST && f.own_lifetime) /* its last use may be among that */
			ledger_file_activity(rc->ledger, f.ino, f.activity_ns);
		rc->files++;
	}
	return rc->up.settle_stub ? settle(rc->ledger, &rc->up, w) : 0;
}

static bool is_untouched(struct execution *e)
{
	return atomic_load(&e->files) == 0 && size_sum_get(&e->bytes) == 0;
}

/*
 * The counters start at what changed since the mount; the rest comes from the rows. Where something has changed, or does
 * just now, the rows of that may be here or still on their way: the reaper finds out when it is calm.
 */
static int add_usage(void *arg, struct execution *e)
{
	struct recover *rc = arg;
	bool untouched = is_untouched(e);
	uint64_t number = exec_number(e);
	uint64_t files;
	uint64_t bytes;

	if (!number || ledger_usage(rc->ledger, number, &files, &bytes) < 0)
		return 0;
	if (untouched && is_untouched(e)) { /* a row comes after its counting */
		exec_account(e, (int64_t)files, 0);
		exec_correct_bytes(e, 0, bytes);
	} else {
		atomic_store(&e->recount, true);
	}
	return 0;
}

/* Rows first: what a counter has seen and its row not would be lost. */
static int add_all_usage(struct recover *rc)
{
	if (ledger_sync(rc->ledger) < 0)
		return tally_files(rc->table, rc->store, &rc->stop);
	return exec_each(rc->table, add_usage, rc);
}

/* ---- after events were lost ---- */

struct numbers {
	uint64_t *items; /* owned */
	size_t n;
	size_t room;
};

static void numbers_done(struct numbers *n)
{
	free(n->items);
}

static int numbers_add(struct numbers *n, uint64_t number)
{
	if (n->n == n->room) {
		size_t room = n->room ? n->room * 2 : 256;
		uint64_t *grown = reallocarray(n->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		n->items = grown;
		n->room = room;
	}
	n->items[n->n++] = number;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int number_of_row(void *arg, const struct ledger_execution *e)
{
	return numbers_add(arg, e->number);
}

struct living {
	struct exec_table *table;
	struct numbers numbers;
};

static int save_again(void *arg, struct execution *e)
{
	struct living *l = arg;

	LOCK_SCOPE(&e->lock);
	if (!e->number)
		return 0;
	exec_save_locked(l->table, e);
	return numbers_add(&l->numbers, e->number);
}

/*
 * The executions there are, and no other ones. The rows are read first: one that is made meanwhile is not among
 * them, and one that ends meanwhile loses its row anyway.
 */
static int rebuild_executions(struct recover *rc)
{
	_cleanup_(numbers_done) struct numbers rows = { 0 };
	struct living living = { .table = rc->table };
	int r = ledger_each_execution(rc->ledger, number_of_row, &rows);

	if (r == 0)
		r = exec_each(rc->table, save_again, &living);
	if (living.numbers.n > 0)
		qsort(living.numbers.items, living.numbers.n, sizeof(uint64_t), compare_numbers);
	for (size_t i = 0; r == 0 && i < rows.n; i++) {
		if (living.numbers.n == 0 ||
		    !bsearch(&rows.items[i], living.numbers.items, living.numbers.n,
			     sizeof(uint64_t), compare_numbers))
			ledger_execution_forget(rc->ledger, rows.items[i]);
	}
	numbers_done(&living.numbers);
	ledger_seals_forget(rc->ledger); /* of files written since, whose new hash is lost */
	return r;
}

void recover_name_begin(struct exec_table *t)
{
	atomic_fetch_add(&t->names_changing, 1);
}

bool recover_is_walking(struct exec_table *t)
{
	return atomic_load(&t->walks) > 0;
}

int recover_report(struct ledger *ledger, const struct recover_upcalls *up,
		   const struct walk_entry *w, uint64_t number, enum place place)
{
	struct ledger_file f;

	recover_describe_file(ledger, w, number, place, &f);
	ledger_file_put(ledger, &f);
	return settle(ledger, up, w);
}

void recover_name_end(struct exec_table *t, bool missed)
{
	if (missed)
		atomic_fetch_add(&t->names_missed, 1);
	atomic_fetch_sub(&t->names_changing, 1);
}

/* -ECANCELED: it is to stop. */
static int pause_walk(struct recover *rc, int64_t ns)
{
	struct timespec ts = { .tv_nsec = NAMES_POLL_NS };

	for (int64_t end = clock_mono_ns() + ns; clock_mono_ns() < end;) {
		if (atomic_load(&rc->stop))
			return -ECANCELED;
		(void)nanosleep(&ts, NULL);
	}
	return atomic_load(&rc->stop) ? -ECANCELED : 0;
}

/* The whole tree, and all that was renamed meanwhile. */
static int walk_all(struct recover *rc)
{
	int64_t pause_ns = NAMES_PAUSE_NS;

	for (;;) {
		uint64_t missed = atomic_load(&rc->table->names_missed);
		int r;

		ledger_reconcile_begin(rc->ledger);
		rc->files = 0;
		r = walk(rc->store->fd, &rc->store->tree, TALLY_ROOT_TAG, see, rc);
		while (r == 0 && atomic_load(&rc->table->names_changing) > 0)
			r = pause_walk(rc, NAMES_POLL_NS);
		if (r < 0 || atomic_load(&rc->table->names_missed) == missed)
			return r;
		log_debug("reconcile: directories were renamed, walking again");
		r = pause_walk(rc, pause_ns);
		if (r < 0)
			return r;
		pause_ns = MIN_OF(2 * pause_ns, NAMES_PAUSE_MAX_NS);
	}
}

static void set_right(struct recover *rc)
{
	int64_t start = clock_mono_ns();
	int r;

	if (rc->how == RECOVER_LOST) {
		r = rebuild_executions(rc);
		if (r < 0)
			log_warning("executions in the ledger are not complete error=%s, ignoring",
				    log_errname(r));
	}
	if (rc->how == RECOVER_SUMS) {
		r = add_all_usage(rc);
		if (r < 0)
			log_warning("counts of files are not complete error=%s, ignoring",
				    log_errname(r));
		return;
	}
	r = walk_all(rc);
	if (r == -ECANCELED)
		return;
	if (r < 0) {
		log_warning(
			"reconcile stopped error=%s; counts of files are not complete, ignoring",
			log_errname(r));
		return;
	}
	if (rc->up.settled)
		rc->up.settled(rc->up.ctx);
	ledger_reconcile_end(rc->ledger);
	r = rc->how == RECOVER_FILES ? add_all_usage(rc) : 0;
	if (r < 0)
		log_warning("reconcile error=%s; counts of files are not complete, ignoring",
			    log_errname(r));
	log_line(rc->files ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		 "reconciled the ledger with the tree files=%llu seconds=%.3f",
		 (unsigned long long)rc->files, (double)(clock_mono_ns() - start) / 1e9);
}

static void *run(void *arg)
{
	struct recover *rc = arg;

	(void)pthread_setname_np(pthread_self(), "recover");
	set_right(rc);
	atomic_store(&rc->table->walks, 0);
	return NULL;
}

int recover_files_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		      enum recover_how how, const struct recover_upcalls *up, struct recover **ret)
{
	_cleanup_free_ struct recover *rc = calloc(1, sizeof(*rc));
	int r;

	if (!rc)
		return -ENOMEM;
	if (atomic_exchange(&t->walks, 1))
		return -EBUSY;
	rc->table = t;
	rc->store = store;
	rc->ledger = ledger;
	rc->how = how;
	rc->up = *up;
	r = pthread_create(&rc->thread, NULL, run, rc);
	if (r) {
		atomic_store(&t->walks, 0);
		return -r;
	}
	*ret = TAKE_PTR(rc);
	return 0;
}

void recover_files_free(struct recover *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	(void)pthread_join(r->thread, NULL);
	free(r);
}
