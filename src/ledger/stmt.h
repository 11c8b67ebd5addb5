/* SPDX-License-Identifier: MIT */
/*
 * Every SQL text of the ledger except the schema itself (schema.c), as constant tables. Nothing is
 * built at run time; values are bound. Statements are prepared once per connection and live as
 * long as it does.
 *
 * Three kinds, by their use:
 *   statements  prepared once, used many times, with bound values
 *   scripts     run as they are, no result: transactions, settings
 *   probes      asked once while opening, one row with one column
 */
#ifndef LEDGER_STMT_H
#define LEDGER_STMT_H

#include <assert.h>
#include <sqlite3.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/macro.h"

/* The writing connection uses those below STMT_READER_FIRST_, a reading one the others. */
enum stmt_id {
	STMT_LEDGER_READ,
	STMT_LEDGER_CLEAN,
	STMT_LEDGER_NUMBER,
	STMT_TIME_LATEST,
	STMT_TIME_EXECUTIONS,
	STMT_TIME_DEFAULT_TTL,
	STMT_TIME_OWN_TTL,
	STMT_EXEC_PUT,
	STMT_EXEC_ACTIVITY,
	STMT_EXEC_DELETE,
	STMT_RELEASE_ADD,
	STMT_RELEASE_TRIM,
	STMT_FILE_PUT,
	STMT_FILE_SIZE,
	STMT_FILE_MOVE,
	STMT_FILE_ACTIVITY,
	STMT_FILE_DELETE,
	STMT_FILE_DELETE_EXEC,
	STMT_EXEC_HAS_STUB,
	STMT_FILE_SHARED,
	STMT_SHARED_CLEAR,
	STMT_FILE_SEAL,
	STMT_SEALS_FORGET,
	STMT_FILE_SEEN,
	STMT_FILE_DELETE_UNNAMED,
	STMT_NAMED_CLEAR,
	STMT_NAMED_FIND,
	STMT_NAMED_SEEN,
	STMT_NAMED_SET,
	STMT_NAMED_SIZE,
	STMT_NAMED_MOVE,
	STMT_NAMED_ACTIVITY,
	STMT_NAMED_EXEC_ROWS,
	STMT_NAMED_EXEC_MOVED,
	STMT_ENDED_CLEAR,
	STMT_ENDED_ADD,
	STMT_ENDED_REMOVE,
	STMT_ENDED_FIND,
	STMT_READER_FIRST_,
	STMT_EXEC_EACH = STMT_READER_FIRST_,
	STMT_EXPIRED_OWN_TTL,
	STMT_EXPIRED_DEFAULT_TTL,
	STMT_FILLED_OWN_TTL,
	STMT_FILLED_DEFAULT_TTL,
	STMT_IDLE_OWN_TTL,
	STMT_IDLE_DEFAULT_TTL,
	STMT_NEXT_OWN_TTL,
	STMT_NEXT_DEFAULT_TTL,
	STMT_RELEASE_EACH,
	STMT_SEAL,
	STMT_STUB_TWINS,
	STMT_FILE_TWINS,
	STMT_FILE_FIND,
	STMT_BLOB_REFS,
	STMT_BLOB_STUBS,
	STMT_BLOB_ACTIVITY,
	STMT_FILLED_OF,
	STMT_USAGE,
	STMT_USAGE_STUBS,
	STMT_USAGE_ALL,
	STMT_MAX_,
};

enum stmt_script {
	SCRIPT_BEGIN,
	SCRIPT_COMMIT,
	SCRIPT_ROLLBACK,
	SCRIPT_SETUP_WRITER,
	SCRIPT_SETUP_READER,
	SCRIPT_SMALL_LOG,
	SCRIPT_SYNC_FULL,
	SCRIPT_SYNC_NORMAL,
	SCRIPT_CHECKPOINT,
	SCRIPT_MAX_,
};

enum stmt_probe {
	PROBE_APPLICATION,
	PROBE_VERSION,
	PROBE_OBJECTS,
	PROBE_CHECK,
	PROBE_WAL,
	PROBE_MAX_,
};

/* States of a row in temp.named, see reconcile.c. Literals in stmt_sql[]. */
enum named_state {
	NAMED_ALIVE = 0,
	NAMED_PUT = 1,
	NAMED_GONE = 2,
};

extern const char *const stmt_sql[STMT_MAX_];
extern const char *const stmt_script_sql[SCRIPT_MAX_];
extern const char *const stmt_probe_sql[PROBE_MAX_];

/* End of a statement's use: it is reset, its values and handle stay. */
static inline void stmt_resetp(sqlite3_stmt **s)
{
	if (*s)
		(void)sqlite3_reset(*s); /* repeats the error of the last step, already handled */
}

#define _cleanup_stmt_ _cleanup_(stmt_resetp)

/*
 * Binding. Values must stay until the statement is reset. Nothing is copied or allocated, so these
 * fail only for a wrong index or a statement in use: a mistake in this directory, which the tests
 * find. To NULL, a statement that could not be prepared (db_stmt()), nothing is bound.
 */
static inline void stmt_bind_i64(sqlite3_stmt *s, int i, int64_t v)
{
	int rc = sqlite3_bind_int64(s, i, v);

	assert(rc == SQLITE_OK || !s);
	(void)rc;
}

/* SQLite's integers are signed: the bits are kept, and stmt_column_u64() gives them back. */
static inline void stmt_bind_u64(sqlite3_stmt *s, int i, uint64_t v)
{
	stmt_bind_i64(s, i, (int64_t)v);
}

static inline void stmt_bind_null(sqlite3_stmt *s, int i)
{
	int rc = sqlite3_bind_null(s, i);

	assert(rc == SQLITE_OK || !s);
	(void)rc;
}

static inline void stmt_bind_text(sqlite3_stmt *s, int i, const char *v, size_t len)
{
	int rc = sqlite3_bind_text(s, i, v, (int)len, SQLITE_STATIC);

	assert(rc == SQLITE_OK || !s);
	(void)rc;
}

static inline void stmt_bind_blob(sqlite3_stmt *s, int i, const void *v, size_t len)
{
	int rc = sqlite3_bind_blob(s, i, len > 0 ? v : "", (int)len, SQLITE_STATIC);

	assert(rc == SQLITE_OK || !s);
	(void)rc;
}

static inline uint64_t stmt_column_u64(sqlite3_stmt *s, int i)
{
	return (uint64_t)sqlite3_column_int64(s, i);
}

/* Copy a text or blob into a buffer of `size` bytes, cut if longer, always with a NUL. */
void stmt_column_str(sqlite3_stmt *s, int i, char *buf, size_t size);

#endif
