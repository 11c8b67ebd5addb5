/* SPDX-License-Identifier: MIT */
/*
 * Connections and the database file. The only place where SQLite's codes become errno.
 */
#include "ledger/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "util/log.h"

/*
 * How long a statement waits for a lock of another connection. The writer waits for somebody who
 * writes with the sqlite3 program, and is asked again by its caller; a reader hardly ever waits in
 * WAL.
 */
#define BUSY_WAIT_MS 1000

/* Shortest database, bytes. Source: SQLite's file format, the smallest page. */
#define DB_BYTES_MIN 512

/* Names to try for a file set aside; more than one a second is a test, or somebody's loop. */
#define SET_ASIDE_TRIES 1000

static int io_errno(sqlite3 *handle, int code)
{
	int err = sqlite3_system_errno(handle);

	if (code == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	if (code == SQLITE_IOERR_SHMSIZE || err == ENOSPC || err == EDQUOT)
		return -ENOSPC;
	return -EIO;
}

static int cantopen_errno(sqlite3 *handle)
{
	int err = sqlite3_system_errno(handle);

	return err > 0 ? -err : -EIO;
}

static int code_errno(sqlite3 *handle, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_CANTOPEN:
		return cantopen_errno(handle);
	case SQLITE_IOERR:
		return io_errno(handle, code);
	case SQLITE_INTERRUPT:
		return -EINTR;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
	case SQLITE_ERROR:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int db_errno(struct db *db)
{
	int code = sqlite3_extended_errcode(db->handle);
	int r = code_errno(db->handle, code);

	log_debug("ledger database error code=%d err=%s text=%s", code, log_errname(r),
		  sqlite3_errmsg(db->handle));
	return r < 0 ? r : -EIO;
}

/* ---- the file ---- */

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

int db_lock_file(const char *path)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&name, "%s-lock", path) < 0) {
		name = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	fd = open_file(name, O_CREAT);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return TAKE_FD(fd);
}

/*
 * Make the file with the right mode, and find out what sqlite3_open_v2() would tell less clearly.
 * Closed before SQLite opens it: closing any descriptor of a file drops the POSIX locks SQLite
 * keeps on it.
 */
static int create_file(const char *path)
{
	_cleanup_close_ int fd = open_file(path, O_CREAT);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* SQLite would take such a file for an empty one and write over it. */
	return st.st_size > 0 && st.st_size < DB_BYTES_MIN ? -EUCLEAN : 0;
}

static int rename_suffixed(const char *path, const char *target, const char *suffix)
{
	_cleanup_free_ char *from = NULL;
	_cleanup_free_ char *to = NULL;

	if (asprintf(&from, "%s%s", path, suffix) < 0) {
		from = NULL;
		return -ENOMEM;
	}
	if (asprintf(&to, "%s%s", target, suffix) < 0) {
		to = NULL;
		return -ENOMEM;
	}
	if (rename(from, to) < 0)
		return -errno;
	return 0;
}

/*
 * The log goes first: should we die in between, a database without its log is found damaged again,
 * while a log without its database would be replayed into the next one.
 */
static int rename_all(const char *path, const char *target)
{
	static const char *const suffixes[] = { "-shm", "-wal", "" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		int r = rename_suffixed(path, target, suffixes[i]);

		if (r < 0 && !(r == -ENOENT && suffixes[i][0] != '\0'))
			return r;
	}
	return 0;
}

int db_set_aside(const char *path, int64_t now_s, char *ret_name, size_t size)
{
	for (int i = 0; i < SET_ASIDE_TRIES; i++) {
		_cleanup_free_ char *target = NULL;
		const char *name;
		struct stat st;
		int r;

		if (asprintf(&target, "%s.corrupt-%lld", path, (long long)now_s + i) < 0) {
			target = NULL;
			return -ENOMEM;
		}
		if (lstat(target, &st) == 0)
			continue; /* PATH-lock is ours: nobody else makes such names */
		name = strrchr(target, '/');
		name = name ? name + 1 : target;
		if (strlen(name) >= size)
			return -ENAMETOOLONG;
		r = rename_all(path, target);
		if (r < 0)
			return r;
		memcpy(ret_name, name, strlen(name) + 1);
		return 0;
	}
	return -EEXIST;
}

static bool is_in_memory(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* Returns whether the database has a log with something in it, or an error. */
static int has_log(const char *path)
{
	_cleanup_free_ char *name = NULL;
	struct stat st;

	if (asprintf(&name, "%s-wal", path) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	if (stat(name, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_size > 0;
}

/* ---- connections ---- */

/*
 * SQLite counts its memory under one mutex for all connections; without that, the writer is a
 * fifth faster. And a connection takes memory for 20 pages at once, and touches it; a reader here reads few, and its page
 * faults are waited for (takeover/warm.h). Only the first call of the process has an effect, later ones are refused: ignoring
 * is right.
 */
static void configure(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

int db_open(const char *path, enum db_role role, struct db **ret)
{
	_cleanup_(db_closep) struct db *db = calloc(1, sizeof(*db));
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
	int r;

	if (!db)
		return -ENOMEM;
	if (role == DB_WRITER) {
		r = create_file(path);
		if (r < 0)
			return r;
		r = has_log(path);
		if (r < 0)
			return r;
		db->had_log = r;
		db->in_memory = is_in_memory(path);
		flags |= SQLITE_OPEN_READWRITE;
	} else {
		flags |= SQLITE_OPEN_READONLY;
	}
	configure();
	r = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (r != SQLITE_OK)
		return db->handle ? db_errno(db) : -ENOMEM;
	(void)sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS); /* cannot fail */
	*ret = TAKE_PTR(db);
	return 0;
}

void db_close(struct db *db)
{
	int rc;

	if (!db)
		return;
	for (int i = 0; i < STMT_MAX_; i++)
		(void)sqlite3_finalize(db->stmt[i]); /* repeats the last error of the statement */
	rc = sqlite3_close(db->handle);
	assert(rc == SQLITE_OK); /* all statements are finalized */
	(void)rc;
	free(db);
}

void db_close_with_log(struct db *db)
{
	/* Known option, no value wanted: cannot fail. */
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	db_close(db);
}

void db_close_untouched(struct db *db)
{
	/* Without a log to empty, an ordinary close changes nothing and removes the empty one. */
	if (db->had_log)
		db_close_with_log(db);
	else
		db_close(db);
}

static int probe_step(struct db *db, enum stmt_probe probe, sqlite3_stmt **ret)
{
	sqlite3_stmt *s = NULL;
	int r;

	if (sqlite3_prepare_v2(db->handle, stmt_probe_sql[probe], -1, &s, NULL) != SQLITE_OK)
		return db_errno(db);
	r = db_step(db, s);
	if (r == 1) {
		*ret = s;
		return 0;
	}
	(void)sqlite3_finalize(s);
	return r < 0 ? r : -EIO;
}

int db_probe_int(struct db *db, enum stmt_probe probe, int64_t *ret)
{
	sqlite3_stmt *s;
	int r = probe_step(db, probe, &s);

	if (r < 0)
		return r;
	*ret = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	return 0;
}

/* Returns whether the probe's answer is `text`, or an error. */
static int probe_is(struct db *db, enum stmt_probe probe, const char *text)
{
	char answer[32];
	sqlite3_stmt *s;
	int r = probe_step(db, probe, &s);

	if (r < 0)
		return r;
	stmt_column_str(s, 0, answer, sizeof(answer));
	(void)sqlite3_finalize(s);
	return strcmp(answer, text) == 0;
}

int db_quick_check(struct db *db)
{
	int r = probe_is(db, PROBE_CHECK, "ok");

	if (r < 0)
		return r;
	return r ? 0 : -EUCLEAN;
}

int db_set_up(struct db *db, enum db_role role)
{
	int r = db_script(db, role == DB_WRITER ? SCRIPT_SETUP_WRITER : SCRIPT_SETUP_READER);

	if (r == 0 && db->in_memory)
		r = db_script(db, SCRIPT_SMALL_LOG);
	return r;
}

sqlite3_stmt *db_stmt(struct db *db, enum stmt_id id)
{
	if (!db->stmt[id] &&
	    sqlite3_prepare_v3(db->handle, stmt_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
			       &db->stmt[id], NULL) != SQLITE_OK)
		db->failed = db_errno(db);
	return db->stmt[id];
}

int db_prepare(struct db *db, enum db_role role)
{
	enum stmt_id first = role == DB_WRITER ? 0 : STMT_READER_FIRST_;
	enum stmt_id end = role == DB_WRITER ? STMT_READER_FIRST_ : STMT_MAX_;

	for (enum stmt_id i = first; i < end; i++) {
		if (!db_stmt(db, i))
			return db->failed;
	}
	return 0;
}

int db_use_wal(struct db *db)
{
	int r = probe_is(db, PROBE_WAL, "wal");

	if (r < 0)
		return r;
	return r ? 0 : -EOPNOTSUPP;
}

/* ---- running ---- */

int db_run(struct db *db, const char *sql)
{
	return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_errno(db);
}

int db_script(struct db *db, enum stmt_script script)
{
	return db_run(db, stmt_script_sql[script]);
}

int db_step(struct db *db, sqlite3_stmt *s)
{
	int rc;

	if (!s)
		return db->failed;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_errno(db);
}

int db_begin(struct db *db)
{
	return db_script(db, SCRIPT_BEGIN);
}

int db_commit(struct db *db)
{
	return db_script(db, SCRIPT_COMMIT);
}

void db_rollback(struct db *db)
{
	if (sqlite3_get_autocommit(db->handle))
		return;
	if (db_script(db, SCRIPT_ROLLBACK) < 0)
		log_debug("ledger rollback failed ignoring"); /* rolled back by itself, then */
}
