/* SPDX-License-Identifier: MIT */
/*
 * A walk of the tree takes a while, and what it reports may be older than an event that was queued
 * before the report. Therefore everything that was named since the beginning is remembered, in two
 * TEMP tables of the writing connection (in memory, and part of its transactions: a batch that
 * fails and is applied again finds them as they were):
 *
 *   named  one row per inode number:
 *            NAMED_PUT    put: the row in `file` is newer than any report
 *            NAMED_GONE   gone, or released with its execution: not to be brought back
 *            NAMED_ALIVE  seen, or only its size, execution or activity was told: those columns
 *                         are set and count more than the report
 *   ended  the numbers of executions released: a file reported as theirs is gone, too
 *
 *      (none) --seen, size, move, activity--> ALIVE      seen changes nothing but (none)
 *      any ----put----> PUT                              size, move and activity set their columns,
 *      any ----gone, released----> GONE                  in any state
 */
#include "ledger/reconcile.h"

#include <sqlite3.h>

#include "ledger/stmt.h"

/* What temp.named holds about a file. */
struct named {
	bool found;
	enum named_state state;
	bool has_size, has_execution, has_activity;
	uint64_t size_bytes;
	uint64_t execution;
	int64_t activity_ns;
};

static int run_key(struct db *db, enum stmt_id id, uint64_t key)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, id);

	stmt_bind_u64(s, 1, key);
	return db_step(db, s);
}

static int run_key_value(struct db *db, enum stmt_id id, uint64_t key, int64_t value)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, id);

	stmt_bind_u64(s, 1, key);
	stmt_bind_i64(s, 2, value);
	return db_step(db, s);
}

static int run(struct db *db, enum stmt_id id)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, id);

	return db_step(db, s);
}

static int forget(struct db *db)
{
	int r = run(db, STMT_NAMED_CLEAR);

	return r < 0 ? r : run(db, STMT_ENDED_CLEAR);
}

int reconcile_begin(struct db *db)
{
	int r = forget(db);

	return r < 0 ? r : run(db, STMT_SHARED_CLEAR);
}

int reconcile_put(struct db *db, uint64_t ino)
{
	return run_key_value(db, STMT_NAMED_SET, ino, NAMED_PUT);
}

int reconcile_gone(struct db *db, uint64_t ino)
{
	return run_key_value(db, STMT_NAMED_SET, ino, NAMED_GONE);
}

int reconcile_size(struct db *db, uint64_t ino, uint64_t size_bytes)
{
	return run_key_value(db, STMT_NAMED_SIZE, ino, (int64_t)size_bytes);
}

int reconcile_move(struct db *db, uint64_t ino, uint64_t execution)
{
	return run_key_value(db, STMT_NAMED_MOVE, ino, (int64_t)execution);
}

int reconcile_activity(struct db *db, uint64_t ino, int64_t activity_ns)
{
	return run_key_value(db, STMT_NAMED_ACTIVITY, ino, activity_ns);
}

int reconcile_execution_put(struct db *db, uint64_t number)
{
	return run_key(db, STMT_ENDED_REMOVE, number);
}

int reconcile_released(struct db *db, uint64_t number)
{
	int r = run_key(db, STMT_ENDED_ADD, number);

	if (r < 0)
		return r;
	r = run_key(db, STMT_NAMED_EXEC_MOVED, number);
	if (r < 0)
		return r;
	return run_key(db, STMT_NAMED_EXEC_ROWS, number);
}

static int find_named(struct db *db, uint64_t ino, struct named *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, STMT_NAMED_FIND);
	int r;

	stmt_bind_u64(s, 1, ino);
	r = db_step(db, s);
	if (r < 0)
		return r;
	*ret = (struct named){ .found = r > 0 };
	if (r == 0)
		return 0;
	ret->state = (enum named_state)sqlite3_column_int(s, 0);
	ret->has_size = sqlite3_column_type(s, 1) != SQLITE_NULL;
	ret->size_bytes = stmt_column_u64(s, 1);
	ret->has_execution = sqlite3_column_type(s, 2) != SQLITE_NULL;
	ret->execution = stmt_column_u64(s, 2);
	ret->has_activity = sqlite3_column_type(s, 3) != SQLITE_NULL;
	ret->activity_ns = sqlite3_column_int64(s, 3);
	return 0;
}

int reconcile_seen(struct db *db, const struct ledger_file *f)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, STMT_FILE_SEEN);
	struct named n;
	uint64_t execution;
	int r;

	r = find_named(db, f->ino, &n);
	if (r < 0)
		return r;
	if (n.found && n.state != NAMED_ALIVE)
		return 0;
	execution = n.has_execution ? n.execution : f->execution;
	r = run_key(db, STMT_ENDED_FIND, execution);
	if (r != 0)
		return r < 0 ? r : 0;

	stmt_bind_u64(s, 1, f->ino);
	stmt_bind_u64(s, 2, execution);
	stmt_bind_u64(s, 3, n.has_size ? n.size_bytes : f->size_bytes);
	stmt_bind_i64(s, 4, f->ttl_ns);
	stmt_bind_i64(s, 5, f->own_lifetime);
	stmt_bind_i64(s, 6, n.has_activity ? n.activity_ns : f->activity_ns);
	stmt_bind_i64(s, 7, f->handle_type);
	stmt_bind_blob(s, 8, f->handle, f->handle_len);
	r = db_step(db, s);
	if (r < 0)
		return r;
	return run_key(db, STMT_NAMED_SEEN, f->ino);
}

int reconcile_end(struct db *db)
{
	int r = run(db, STMT_FILE_DELETE_UNNAMED);

	return r < 0 ? r : forget(db);
}
