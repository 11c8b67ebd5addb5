/* SPDX-License-Identifier: MIT */
/*
 * Group commit. A batch is what has piled up in the queue; it is applied event by event through a
 * table of functions, in one BEGIN IMMEDIATE ... COMMIT. If anything fails the transaction is
 * rolled back, the state that goes with it is restored, and the queue hands the same events out
 * again after a pause.
 *
 * Applying an event fails for the disk, the lock or memory only, never because of what is in the
 * event: no constraint of the schema depends on one. Otherwise it would be tried forever.
 *
 * Threading: the writer thread alone uses the connection and struct state.
 */
#include "ledger/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "ledger/event.h"
#include "ledger/reconcile.h"
#include "util/log.h"

/* What belongs to the transaction besides the tables: restored when it is rolled back. */
struct state {
	bool reconciling;
	bool agrees;		/* the rows agree with the tree, but for what is still queued */
	uint64_t next_number;	/* above every execution number met */
	uint64_t stored_number; /* what the table ledger has for it */
	uint64_t lost;	     /* events that the queue had dropped: the rows do not agree any more */
	int64_t trim_to;     /* releases up to this seq are too many; 0: none added */
	uint64_t stubs_gone; /* times that rows with a blob went */
};

struct writer {
	struct db *db;	     /* owned */
	struct queue *queue; /* borrowed from the ledger */
	pthread_t thread;
	struct state state;
	bool through; /* the thread has ended: whether it has applied all */

	/* For others, as of the last commit. */
	_Atomic uint64_t stubs_gone;
	_Atomic bool agrees;
};

static int run_key(struct writer *w, enum stmt_id id, uint64_t key)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, id);

	stmt_bind_u64(s, 1, key);
	return db_step(w->db, s);
}

static int run_key_value(struct writer *w, enum stmt_id id, const struct event_value *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, id);

	stmt_bind_u64(s, 1, e->key);
	stmt_bind_i64(s, 2, e->value);
	return db_step(w->db, s);
}

static void note_number(struct writer *w, uint64_t number)
{
	if (number >= w->state.next_number)
		w->state.next_number = number + 1;
}

/* uid, gid, pid, comm in four parameters from `first` on. */
static void bind_owner(sqlite3_stmt *s, int first, const struct ledger_owner *o)
{
	stmt_bind_i64(s, first, o->uid);
	stmt_bind_i64(s, first + 1, o->gid);
	stmt_bind_i64(s, first + 2, o->pid);
	stmt_bind_blob(s, first + 3, o->comm, strnlen(o->comm, sizeof(o->comm)));
}

/* ---- one function per kind of event ---- */

static int exec_put(struct writer *w, const void *payload)
{
	const struct ledger_execution *e = payload;
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_EXEC_PUT);
	int r;

	note_number(w, e->number);
	stmt_bind_u64(s, 1, e->number);
	stmt_bind_text(s, 2, e->id, strnlen(e->id, sizeof(e->id)));
	bind_owner(s, 3, &e->owner);
	stmt_bind_i64(s, 7, e->created_real_ns);
	stmt_bind_i64(s, 8, e->activity_ns);
	stmt_bind_i64(s, 9, e->ttl_ns);
	stmt_bind_i64(s, 10, e->pinned);
	r = db_step(w->db, s);
	if (r < 0 || !w->state.reconciling)
		return r;
	return reconcile_execution_put(w->db, e->number);
}

static int exec_activity(struct writer *w, const void *payload)
{
	return run_key_value(w, STMT_EXEC_ACTIVITY, payload);
}

static int exec_forget(struct writer *w, const void *payload)
{
	const struct event_value *e = payload;

	return run_key(w, STMT_EXEC_DELETE, e->key);
}

/* Does the execution have a stub? Its rows are about to go. */
static int note_stubs(struct writer *w, uint64_t number)
{
	int r = run_key(w, STMT_EXEC_HAS_STUB, number);

	if (r > 0)
		w->state.stubs_gone++;
	return r < 0 ? r : 0;
}

static int release_add(struct writer *w, const struct ledger_release *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_RELEASE_ADD);
	int r;

	stmt_bind_u64(s, 1, e->number);
	stmt_bind_text(s, 2, e->id, strnlen(e->id, sizeof(e->id)));
	stmt_bind_blob(s, 3, e->path, strnlen(e->path, sizeof(e->path)));
	stmt_bind_i64(s, 4, e->reason);
	bind_owner(s, 5, &e->by);
	bind_owner(s, 9, &e->owner);
	stmt_bind_i64(s, 13, e->created_real_ns);
	stmt_bind_i64(s, 14, e->activity_real_ns);
	stmt_bind_i64(s, 15, e->released_real_ns);
	stmt_bind_i64(s, 16, e->ttl_ns);
	stmt_bind_u64(s, 17, e->bytes);
	stmt_bind_u64(s, 18, e->files);
	r = db_step(w->db, s);
	if (r < 0)
		return r;
	w->state.trim_to = sqlite3_last_insert_rowid(w->db->handle) - LEDGER_HISTORY_MAX;
	return 0;
}

static int release(struct writer *w, const void *payload)
{
	const struct ledger_release *e = payload;
	int r = release_add(w, e);

	if (r < 0 || e->number == 0)
		return r;
	note_number(w, e->number);
	if (w->state.reconciling) {
		r = reconcile_released(w->db, e->number);
		if (r < 0)
			return r;
	}
	r = run_key(w, STMT_EXEC_DELETE, e->number);
	if (r == 0)
		r = note_stubs(w, e->number);
	return r < 0 ? r : run_key(w, STMT_FILE_DELETE_EXEC, e->number);
}

static int file_put(struct writer *w, const void *payload)
{
	const struct ledger_file *f = payload;
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_FILE_PUT);
	int r;

	note_number(w, f->execution);
	stmt_bind_u64(s, 1, f->ino);
	stmt_bind_u64(s, 2, f->execution);
	stmt_bind_u64(s, 3, f->size_bytes);
	stmt_bind_i64(s, 4, f->ttl_ns);
	stmt_bind_i64(s, 5, f->own_lifetime);
	stmt_bind_i64(s, 6, f->activity_ns);
	stmt_bind_i64(s, 7, f->handle_type);
	stmt_bind_blob(s, 8, f->handle, f->handle_len);
	r = db_step(w->db, s);
	if (r < 0 || !w->state.reconciling)
		return r;
	return reconcile_put(w->db, f->ino);
}

static int file_size(struct writer *w, const void *payload)
{
	const struct event_value *e = payload;
	int r = run_key_value(w, STMT_FILE_SIZE, e);

	if (r < 0 || !w->state.reconciling)
		return r;
	return reconcile_size(w->db, e->key, (uint64_t)e->value);
}

static int file_move(struct writer *w, const void *payload)
{
	const struct event_value *e = payload;
	int r = run_key_value(w, STMT_FILE_MOVE, e);

	note_number(w, (uint64_t)e->value);
	if (r < 0 || !w->state.reconciling)
		return r;
	return reconcile_move(w->db, e->key, (uint64_t)e->value);
}

static int file_activity(struct writer *w, const void *payload)
{
	const struct event_value *e = payload;
	int r = run_key_value(w, STMT_FILE_ACTIVITY, e);

	if (r < 0 || !w->state.reconciling)
		return r;
	return reconcile_activity(w->db, e->key, e->value);
}

static int file_gone(struct writer *w, const void *payload)
{
	const struct event_value *e = payload;
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_FILE_DELETE);
	int r;

	stmt_bind_u64(s, 1, e->key);
	r = db_step(w->db, s);
	if (r > 0 && sqlite3_column_int(s, 0))
		w->state.stubs_gone++;
	if (r < 0 || !w->state.reconciling)
		return r < 0 ? r : 0;
	return reconcile_gone(w->db, e->key);
}

static int file_shared(struct writer *w, const void *payload)
{
	const struct event_shared *e = payload;
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_FILE_SHARED);

	stmt_bind_u64(s, 1, e->ino);
	if (e->blob[0]) {
		stmt_bind_text(s, 2, e->blob, strlen(e->blob));
	} else {
		stmt_bind_null(s, 2);
		w->state.stubs_gone++;
	}
	return db_step(w->db, s);
}

static int file_sealed(struct writer *w, const void *payload)
{
	const struct event_seal *e = payload;
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_FILE_SEAL);

	stmt_bind_u64(s, 1, e->ino);
	stmt_bind_blob(s, 2, e->seal.xxh3, sizeof(e->seal.xxh3));
	stmt_bind_u64(s, 3, e->seal.size_bytes);
	stmt_bind_i64(s, 4, e->seal.mtime_ns);
	stmt_bind_i64(s, 5, e->seal.ctime_ns);
	return db_step(w->db, s);
}

static int seals_forget(struct writer *w, const void *payload)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(w->db, STMT_SEALS_FORGET);

	(void)payload;
	return db_step(w->db, s);
}

static int begin(struct writer *w, const void *payload)
{
	(void)payload;
	w->state.reconciling = true;
	return reconcile_begin(w->db);
}

static int seen(struct writer *w, const void *payload)
{
	const struct ledger_file *f = payload;

	if (!w->state.reconciling)
		return 0; /* of a walk that nobody began: worth nothing */
	note_number(w, f->execution);
	return reconcile_seen(w->db, f);
}

static int end(struct writer *w, const void *payload)
{
	(void)payload;
	if (!w->state.reconciling)
		return 0;
	w->state.reconciling = false;
	w->state.agrees = true;
	w->state.stubs_gone++;
	return reconcile_end(w->db);
}

static int (*const apply_event[EVENT_MAX_])(struct writer *w, const void *payload) = {
	[EVENT_EXEC_PUT] = exec_put,	     [EVENT_EXEC_ACTIVITY] = exec_activity,
	[EVENT_EXEC_FORGET] = exec_forget,   [EVENT_RELEASE] = release,
	[EVENT_FILE_PUT] = file_put,	     [EVENT_FILE_SIZE] = file_size,
	[EVENT_FILE_MOVE] = file_move,	     [EVENT_FILE_ACTIVITY] = file_activity,
	[EVENT_FILE_GONE] = file_gone,	     [EVENT_FILE_SEALED] = file_sealed,
	[EVENT_SEALS_FORGET] = seals_forget, [EVENT_FILE_SHARED] = file_shared,
	[EVENT_RECONCILE_BEGIN] = begin,     [EVENT_RECONCILE_SEEN] = seen,
	[EVENT_RECONCILE_END] = end,
};

/* ---- transactions ---- */

/* What is done once per batch however many events ask for it. */
static int apply_pending(struct writer *w)
{
	int r;

	if (w->state.next_number != w->state.stored_number) {
		r = run_key(w, STMT_LEDGER_NUMBER, w->state.next_number);
		if (r < 0)
			return r;
		w->state.stored_number = w->state.next_number;
	}
	if (w->state.trim_to > 0) {
		r = run_key(w, STMT_RELEASE_TRIM, (uint64_t)w->state.trim_to);
		if (r < 0)
			return r;
	}
	w->state.trim_to = 0;
	return 0;
}

static int apply_in_transaction(struct writer *w, struct queue_batch *b)
{
	const struct queue_event *e;

	while ((e = queue_next(w->queue, b)) != NULL) {
		int r = apply_event[e->kind](w, e->payload);

		if (r < 0)
			return r;
	}
	return apply_pending(w);
}

/* What was dropped is unknown: only a walk that begins after it counts. */
static void note_lost(struct writer *w)
{
	uint64_t lost = queue_lost(w->queue);

	if (lost == w->state.lost)
		return;
	w->state.lost = lost;
	w->state.agrees = false;
	w->state.reconciling = false;
}

static int apply_batch(struct writer *w, struct queue_batch *b)
{
	struct state before = w->state;
	int r = db_begin(w->db);

	note_lost(w);

	if (r < 0)
		return r;
	r = apply_in_transaction(w, b);
	if (r == 0)
		r = db_commit(w->db);
	if (r < 0) {
		db_rollback(w->db);
		w->state = before;
		return r;
	}
	atomic_store(&w->stubs_gone, w->state.stubs_gone);
	atomic_store(&w->agrees, w->state.agrees);
	return 0;
}

/* The next open finds the ledger clean. Not worth a retry: the other case is only slower. */
static void mark_clean(struct writer *w)
{
	int r = run_key(w, STMT_LEDGER_CLEAN, 1);

	if (r < 0)
		log_debug("ledger not marked clean err=%s ignoring", log_errname(r));
}

/* Once per series of failures, however long it lasts. */
static void log_change(int before, int now)
{
	if (now < 0 && now != before)
		log_debug("ledger commit err=%s retrying", log_errname(now));
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct queue_batch b;
	int error = 0;

	(void)pthread_setname_np(pthread_self(), "ledger"); /* for top(1) only */
	while (queue_take(w->queue, &b)) {
		int r = apply_batch(w, &b);

		log_change(error, r);
		error = r;
		if (r == 0)
			queue_done(w->queue, &b);
		else if (!queue_failed(w->queue, r))
			return NULL; /* events are left: not clean */
	}
	w->through = true;
	return NULL;
}

/* Signals are for the daemon's own threads. */
static int start_thread(struct writer *w)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, writer_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int writer_new(const struct writer_start *start, struct writer **ret)
{
	_cleanup_free_ struct writer *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct writer){
		.db = start->db,
		.queue = start->queue,
		.agrees = start->agrees,
		.state = {
			.agrees = start->agrees,
			.next_number = start->next_number,
			.stored_number = start->next_number,
		},
	};
	r = start_thread(w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

void writer_stats(struct writer *w, struct ledger_stats *ret)
{
	ret->stubs_gone = atomic_load(&w->stubs_gone);
	ret->agrees = atomic_load(&w->agrees);
}

/* Returns whether the rows agree with the tree. */
static bool stop(struct writer *w)
{
	queue_stop(w->queue);
	(void)pthread_join(w->thread, NULL); /* ours, joined once */
	note_lost(w);
	return w->through && w->state.agrees;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	if (stop(w))
		mark_clean(w);
	db_close(w->db);
	free(w);
}

bool writer_leave(struct writer *w)
{
	bool agrees = stop(w);

	db_close_with_log(w->db);
	free(w);
	return agrees;
}
