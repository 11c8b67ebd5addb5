/* SPDX-License-Identifier: MIT */
/*
 * One connection to the database file: opening it, transactions, statements, and the only
 * translation of SQLite's codes to errno. A connection serves one thread at a time; the caller
 * sees to that.
 *
 * Also the file itself: the lock that keeps a second daemon out, and setting a damaged one aside.
 */
#ifndef LEDGER_DB_H
#define LEDGER_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/stmt.h"
#include "util/cleanup.h"
#include "util/macro.h"

struct db {
	sqlite3 *handle;	       /* owned */
	sqlite3_stmt *stmt[STMT_MAX_]; /* owned; NULL until they are prepared */
	int failed;		       /* why a statement could not be, the last time */
	bool had_log;		       /* constant; a writer found a log that was not empty */
	bool in_memory;		       /* constant; the writer's file is on a tmpfs */
};

/* What a connection is for: which statements it has, and whether it may write. */
enum db_role {
	DB_WRITER,
	DB_READER,
};

/*
 * Keep other processes (and other ledgers of this one) from the database at `path`: an exclusive
 * flock(2) on PATH-lock, which is made if missing and stays. Not a lock of SQLite's own, so that
 * readers like the sqlite3 program are welcome. Returns a descriptor that holds the lock until it
 * is closed; -EBUSY, or the error of open(2).
 */
int db_lock_file(const char *path) WARN_UNUSED;

/*
 * Open a connection; db_set_up() must follow before statements are used. A writer creates the
 * file (mode 0600) if it is missing. Nothing in an existing database is changed. -EISDIR, -EACCES,
 * -EROFS, -ENOENT (no such directory), -EUCLEAN (too short to be one), -ENOMEM, ...
 */
int db_open(const char *path, enum db_role role, struct db **ret) WARN_UNUSED;

/* Closes; the last connection of a WAL database empties the log into it. */
void db_close(struct db *db);

/* Closes; the log stays, for who opens it next. */
void db_close_with_log(struct db *db);

/* Close without writing anything to the file: it is damaged, or a newer program's. */
void db_close_untouched(struct db *db);

/* Returns 0, -EUCLEAN if SQLite's quick check finds damage, or another error. */
int db_quick_check(struct db *db) WARN_UNUSED;

/*
 * Keep the log in WAL mode, so that readers and the writer do not wait for each other.
 * -EOPNOTSUPP: the filesystem cannot map memory shared between processes, which WAL needs.
 */
int db_use_wal(struct db *db) WARN_UNUSED;

/* Settings, and the tables of the connection's own. */
int db_set_up(struct db *db, enum db_role role) WARN_UNUSED;

/* Prepare all statements of the role now: what they need of the schema is there, or -EINVAL. */
int db_prepare(struct db *db, enum db_role role) WARN_UNUSED;

/*
 * Rename the database to PATH.corrupt-SECONDS, its -wal and -shm likewise. No connection may be
 * open. Writes the new name without its directory to ret_name.
 */
int db_set_aside(const char *path, int64_t now_s, char *ret_name, size_t size) WARN_UNUSED;

/* The errno of the last failed call on the connection, negative. */
int db_errno(struct db *db);

/* Run a constant text; its results are dropped. */
int db_run(struct db *db, const char *sql) WARN_UNUSED;
int db_script(struct db *db, enum stmt_script script) WARN_UNUSED;
int db_probe_int(struct db *db, enum stmt_probe probe, int64_t *ret) WARN_UNUSED;

/* Transactions. db_rollback() also serves when SQLite has rolled back by itself. */
int db_begin(struct db *db) WARN_UNUSED;
int db_commit(struct db *db) WARN_UNUSED;
void db_rollback(struct db *db);

/* A statement, to be kept in a _cleanup_stmt_ variable. NULL if it cannot be prepared: db_step() returns why. */
sqlite3_stmt *db_stmt(struct db *db, enum stmt_id id);

/* Returns 1 with a row, 0 at the end, or an error. */
int db_step(struct db *db, sqlite3_stmt *s) WARN_UNUSED;

DEFINE_CLEANUP(struct db *, db_close)

#endif
