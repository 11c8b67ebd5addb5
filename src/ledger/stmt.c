/* SPDX-License-Identifier: MIT */
/*
 * The SQL of the ledger. Two numbers appear as literals, because an index can be matched with
 * constants only: -1 is LEDGER_TTL_DEFAULT and 9223372036854775807 is LEDGER_TTL_NEVER.
 *
 * Parameters are numbered in the order of the columns of the table, so that ?1 is the key
 * throughout.
 */
#include "ledger/stmt.h"

#include <string.h>

#include "ledger/ledger.h"

_Static_assert(LEDGER_TTL_DEFAULT == -1, "literal in the SQL");
_Static_assert(LEDGER_TTL_NEVER == INT64_C(9223372036854775807), "literal in the SQL");
_Static_assert(NAMED_ALIVE == 0 && NAMED_PUT == 1 && NAMED_GONE == 2, "literals in the SQL");

/* The same conditions as in the partial indexes file_own_ttl and file_default_ttl. */
#define HAS_OWN_TTL "own_lifetime = 1 AND ttl_ns >= 0 AND ttl_ns < 9223372036854775807"
#define HAS_DEFAULT_TTL "own_lifetime = 1 AND ttl_ns = -1"

#define FILE_COLUMNS                                                                               \
	"ino, execution, size_bytes, ttl_ns, own_lifetime, activity_ns, handle_type, handle"

const char *const stmt_sql[STMT_MAX_] = {
	[STMT_LEDGER_READ] = "SELECT clean, next_number FROM ledger WHERE one = 1",
	[STMT_LEDGER_CLEAN] = "UPDATE ledger SET clean = ?1 WHERE one = 1",
	[STMT_LEDGER_NUMBER] = "UPDATE ledger SET next_number = ?1 WHERE one = 1",

	/* Of what lives for a time. */
	[STMT_TIME_LATEST] =
		"SELECT max(ifnull((SELECT max(activity_ns) FROM execution), 0),"
		" ifnull((SELECT max(activity_ns) FROM file WHERE " HAS_DEFAULT_TTL "), 0),"
		" ifnull((SELECT max(activity_ns) FROM file WHERE " HAS_OWN_TTL "), 0))",
	[STMT_TIME_EXECUTIONS] = "UPDATE execution SET activity_ns = max(0, activity_ns + ?1)",
	[STMT_TIME_DEFAULT_TTL] =
		"UPDATE file SET activity_ns = max(0, activity_ns + ?1) WHERE " HAS_DEFAULT_TTL,
	[STMT_TIME_OWN_TTL] =
		"UPDATE file SET activity_ns = max(0, activity_ns + ?1) WHERE " HAS_OWN_TTL,

	[STMT_EXEC_PUT] = "INSERT OR REPLACE INTO execution (number, id, uid, gid, pid, comm,"
			  " created_ns, activity_ns, ttl_ns, pinned)"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[STMT_EXEC_ACTIVITY] = "UPDATE execution SET activity_ns = ?2 WHERE number = ?1",
	[STMT_EXEC_DELETE] = "DELETE FROM execution WHERE number = ?1",

	[STMT_RELEASE_ADD] =
		"INSERT INTO release (number, id, path, reason, by_uid, by_gid, by_pid, by_comm,"
		" uid, gid, pid, comm, created_ns, activity_ns, released_ns, ttl_ns, bytes, files)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
		" ?17, ?18)",
	[STMT_RELEASE_TRIM] = "DELETE FROM release WHERE seq <= ?1",

	[STMT_FILE_PUT] =
		"INSERT INTO file (" FILE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT (ino) DO UPDATE SET execution = ?2, size_bytes = ?3, ttl_ns = ?4,"
		" own_lifetime = ?5, activity_ns = ?6, handle_type = ?7, handle = ?8",
	[STMT_FILE_SIZE] = "UPDATE file SET size_bytes = ?2 WHERE ino = ?1",
	[STMT_FILE_MOVE] = "UPDATE file SET execution = ?2 WHERE ino = ?1",
	[STMT_FILE_ACTIVITY] = "UPDATE file SET activity_ns = ?2 WHERE ino = ?1",
	/* Its row, if it was a stub. */
	[STMT_FILE_DELETE] = "DELETE FROM file WHERE ino = ?1 RETURNING blob IS NOT NULL",
	[STMT_FILE_DELETE_EXEC] = "DELETE FROM file WHERE execution = ?1",
	[STMT_EXEC_HAS_STUB] =
		"SELECT 1 FROM file WHERE execution = ?1 AND blob IS NOT NULL LIMIT 1",
	[STMT_FILE_SHARED] = "UPDATE file SET blob = ?2 WHERE ino = ?1",
	[STMT_SHARED_CLEAR] = "UPDATE file SET blob = NULL WHERE blob IS NOT NULL",
	[STMT_FILE_SEAL] = "UPDATE file SET xxh3 = ?2, seal_size_bytes = ?3, seal_mtime_ns = ?4,"
			   " seal_ctime_ns = ?5 WHERE ino = ?1",
	[STMT_SEALS_FORGET] = "UPDATE file SET xxh3 = NULL WHERE xxh3 IS NOT NULL",
	/* Whether it is the same file, and lives as long: else what the row says of its use is of another one. */
	[STMT_FILE_SEEN] =
		"INSERT INTO file (" FILE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT (ino) DO UPDATE SET execution = ?2, size_bytes = ?3, ttl_ns = ?4,"
		" own_lifetime = ?5, activity_ns = CASE WHEN handle = ?8 AND ttl_ns = ?4"
		" AND own_lifetime = ?5 THEN activity_ns ELSE ?6 END, handle_type = ?7, handle = ?8",
	[STMT_FILE_DELETE_UNNAMED] = "DELETE FROM file WHERE ino NOT IN (SELECT ino FROM named)",

	[STMT_NAMED_CLEAR] = "DELETE FROM named",
	[STMT_NAMED_FIND] =
		"SELECT state, size_bytes, execution, activity_ns FROM named WHERE ino = ?1",
	[STMT_NAMED_SEEN] = "INSERT OR IGNORE INTO named (ino, state) VALUES (?1, 0)",
	[STMT_NAMED_SET] = "INSERT OR REPLACE INTO named (ino, state) VALUES (?1, ?2)",
	[STMT_NAMED_SIZE] = "INSERT INTO named (ino, state, size_bytes) VALUES (?1, 0, ?2)"
			    " ON CONFLICT (ino) DO UPDATE SET size_bytes = excluded.size_bytes",
	[STMT_NAMED_MOVE] = "INSERT INTO named (ino, state, execution) VALUES (?1, 0, ?2)"
			    " ON CONFLICT (ino) DO UPDATE SET execution = excluded.execution",
	[STMT_NAMED_ACTIVITY] =
		"INSERT INTO named (ino, state, activity_ns) VALUES (?1, 0, ?2)"
		" ON CONFLICT (ino) DO UPDATE SET activity_ns = excluded.activity_ns",
	[STMT_NAMED_EXEC_ROWS] = "INSERT OR REPLACE INTO named (ino, state)"
				 " SELECT ino, 2 FROM file WHERE execution = ?1",
	[STMT_NAMED_EXEC_MOVED] = "UPDATE named SET state = 2 WHERE execution = ?1",

	[STMT_ENDED_CLEAR] = "DELETE FROM ended",
	[STMT_ENDED_ADD] = "INSERT OR IGNORE INTO ended (number) VALUES (?1)",
	[STMT_ENDED_REMOVE] = "DELETE FROM ended WHERE number = ?1",
	[STMT_ENDED_FIND] = "SELECT 1 FROM ended WHERE number = ?1",

	[STMT_EXEC_EACH] =
		"SELECT number, id, uid, gid, pid, comm, created_ns, activity_ns, ttl_ns,"
		" pinned FROM execution ORDER BY created_ns, number",
	[STMT_EXPIRED_OWN_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns + ttl_ns FROM file WHERE " HAS_OWN_TTL
		" AND activity_ns + ttl_ns <= ?1 ORDER BY activity_ns + ttl_ns LIMIT ?2",
	[STMT_EXPIRED_DEFAULT_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns FROM file"
		" WHERE " HAS_DEFAULT_TTL " AND activity_ns <= ?1 ORDER BY activity_ns LIMIT ?2",
	/* The same that have their content themselves, and enough of it. */
	[STMT_FILLED_OWN_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns + ttl_ns FROM file WHERE " HAS_OWN_TTL
		" AND activity_ns + ttl_ns <= ?1 AND blob IS NULL AND size_bytes >= ?3"
		" ORDER BY activity_ns + ttl_ns LIMIT ?2",
	[STMT_FILLED_DEFAULT_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns FROM file"
		" WHERE " HAS_DEFAULT_TTL " AND activity_ns <= ?1 AND blob IS NULL"
		" AND size_bytes >= ?3 ORDER BY activity_ns LIMIT ?2",
	/* Those of one execution that have something in them. The sign: not by the index of executions. */
	[STMT_IDLE_OWN_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns + ttl_ns FROM file WHERE " HAS_OWN_TTL
		" AND activity_ns + ttl_ns <= ?1 AND +execution = ?3 AND size_bytes > 0"
		" ORDER BY activity_ns + ttl_ns LIMIT ?2",
	[STMT_IDLE_DEFAULT_TTL] =
		"SELECT " FILE_COLUMNS ", activity_ns FROM file"
		" WHERE " HAS_DEFAULT_TTL " AND activity_ns <= ?1 AND +execution = ?3"
		" AND size_bytes > 0 ORDER BY activity_ns LIMIT ?2",
	[STMT_NEXT_OWN_TTL] = "SELECT activity_ns + ttl_ns FROM file WHERE " HAS_OWN_TTL
			      " ORDER BY activity_ns + ttl_ns LIMIT 1",
	[STMT_NEXT_DEFAULT_TTL] = "SELECT activity_ns FROM file WHERE " HAS_DEFAULT_TTL
				  " ORDER BY activity_ns LIMIT 1",
	[STMT_RELEASE_EACH] =
		"SELECT number, id, path, reason, by_uid, by_gid, by_pid, by_comm, uid, gid, pid,"
		" comm, created_ns, activity_ns, released_ns, ttl_ns, bytes, files"
		" FROM release WHERE id = ?1 ORDER BY seq DESC LIMIT ?2",
	[STMT_SEAL] = "SELECT xxh3, seal_size_bytes, seal_mtime_ns, seal_ctime_ns FROM file"
		      " WHERE ino = ?1 AND xxh3 IS NOT NULL",
	/* One for each blob whose name begins so: '-' sorts before '.'. */
	[STMT_STUB_TWINS] =
		"SELECT ino, execution, handle_type, handle, blob FROM file"
		" WHERE blob >= ?1 AND blob < ?1 || '.' GROUP BY blob ORDER BY blob LIMIT ?2",
	[STMT_FILE_TWINS] = "SELECT ino, execution, handle_type, handle, NULL FROM file"
			    " WHERE xxh3 = ?1 AND seal_size_bytes = ?2 AND ino != ?3"
			    " AND blob IS NULL LIMIT ?4",
	[STMT_FILE_FIND] = "SELECT ino, execution, handle_type, handle, blob FROM file"
			   " WHERE ino = ?1",
	[STMT_BLOB_REFS] = "SELECT count(*) FROM file WHERE blob = ?1",
	[STMT_BLOB_STUBS] = "SELECT ino, execution, handle_type, handle, blob FROM file"
			    " WHERE blob = ?1 AND ino > ?2 ORDER BY ino LIMIT ?3",
	/* The last use of any of its stubs. */
	[STMT_BLOB_ACTIVITY] =
		"SELECT max(CASE WHEN own_lifetime = 1 THEN file.activity_ns"
		" ELSE execution.activity_ns END)"
		" FROM file JOIN execution ON execution.number = file.execution WHERE blob = ?1",
	/* Those without a time of their own, which STMT_FILLED_* list. */
	[STMT_FILLED_OF] =
		"SELECT ino, execution, handle_type, handle, blob FROM file"
		" WHERE execution = ?1 AND ino > ?2 AND size_bytes >= ?3 AND blob IS NULL"
		" AND (own_lifetime = 0 OR ttl_ns = 9223372036854775807)"
		" ORDER BY ino LIMIT ?4",
	/* In two parts: sizes of sparse files may add up to more than an integer holds. */
	[STMT_USAGE] = "SELECT count(*), sum(size_bytes >> 20), sum(size_bytes & 1048575)"
		       " FROM file WHERE execution = ?1",
	/* Each stub has its part of the blob: as much as there are stubs of it. */
	[STMT_USAGE_STUBS] =
		"SELECT count(*), sum(size_bytes >> 20), sum(size_bytes & 1048575),"
		" sum(size_bytes / (SELECT count(*) FROM file AS twin WHERE twin.blob = file.blob))"
		" FROM file WHERE execution = ?1 AND blob IS NOT NULL",
	/* Of all stubs there are. */
	[STMT_USAGE_ALL] = "SELECT count(*), sum(size_bytes >> 20), sum(size_bytes & 1048575)"
			   " FROM file WHERE blob > ''",
};

/*
 * The write-ahead log is emptied into the database whenever it has grown past 4 MiB (in memory, 1 MiB); it keeps its
 * size (a commit that fits needs no new space on a full disk) unless a long reader has made it
 * larger than 16 MiB. Deleted rows are not overwritten: the store itself holds more than the
 * ledger says. temp.named and temp.ended: see reconcile.c.
 */
#define SETUP_BOTH                                                                                 \
	"PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"    \
	"PRAGMA mmap_size = 0;"

const char *const stmt_script_sql[SCRIPT_MAX_] = {
	[SCRIPT_BEGIN] = "BEGIN IMMEDIATE",
	[SCRIPT_COMMIT] = "COMMIT",
	[SCRIPT_ROLLBACK] = "ROLLBACK",
	[SCRIPT_SETUP_WRITER] = SETUP_BOTH
	"PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000;"
	"PRAGMA journal_size_limit = 16777216; PRAGMA secure_delete = OFF;"
	"PRAGMA cache_size = -8192;"
	"CREATE TEMP TABLE named (ino INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
	" size_bytes INTEGER, execution INTEGER, activity_ns INTEGER) STRICT;"
	"CREATE INDEX temp.named_execution ON named (execution)"
	" WHERE execution IS NOT NULL;"
	"CREATE TEMP TABLE ended (number INTEGER PRIMARY KEY) STRICT;",
	[SCRIPT_SETUP_READER] = SETUP_BOTH "PRAGMA query_only = ON;",
	/* Where emptying it waits for no disk: it would be the largest part of what sharing leaves of small stores. */
	[SCRIPT_SMALL_LOG] =
		"PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576;",
	[SCRIPT_SYNC_FULL] = "PRAGMA synchronous = FULL",
	[SCRIPT_SYNC_NORMAL] = "PRAGMA synchronous = NORMAL",
	[SCRIPT_CHECKPOINT] = "PRAGMA wal_checkpoint(TRUNCATE)",
};

const char *const stmt_probe_sql[PROBE_MAX_] = {
	[PROBE_APPLICATION] = "PRAGMA application_id",
	[PROBE_VERSION] = "PRAGMA user_version",
	[PROBE_OBJECTS] = "SELECT count(*) FROM sqlite_schema",
	[PROBE_CHECK] = "PRAGMA quick_check(1)",
	[PROBE_WAL] = "PRAGMA journal_mode = WAL",
};

void stmt_column_str(sqlite3_stmt *s, int i, char *buf, size_t size)
{
	const void *v = sqlite3_column_blob(s, i); /* first: it fixes the type for _bytes() */
	size_t len = (size_t)sqlite3_column_bytes(s, i);

	if (len > size - 1)
		len = size - 1;
	if (v && len > 0)
		memcpy(buf, v, len);
	else
		len = 0;
	buf[len] = '\0';
}
