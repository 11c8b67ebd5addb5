/* SPDX-License-Identifier: MIT */
/*
 * The schema, version by version.
 *
 *   ledger     one row: was it closed in order, and which execution number comes next
 *   execution  the executions there are
 *   release    those there were, and single files that ended by themselves; the newest
 *              LEDGER_HISTORY_MAX by seq, which grows by one per row and is never used twice
 *              because only the oldest rows are deleted
 *   file       the files there are, by inode number; the events name nothing else. Since version 2 with
 *              the hash of the content and the size and times the file had with it; NULL if not known. Since
 *              version 3 with the name of the blob whose stub it is; NULL: none
 *
 * Times are nanoseconds since the epoch; activity_ns of executions and files is in the ledger's own time (struct
 * ledger_time), which is near that. Unsigned 64-bit numbers are stored with their bits as
 * SQLite's signed ones. comm and path come from other processes and may be any bytes: BLOB. An
 * execution id obeys the naming rule: TEXT.
 *
 * The table file carries the load, so it has one full index; file_own_ttl and file_default_ttl
 * hold only files with a lifetime of their own, file_content only those that were hashed, file_blob
 * and file_stub only stubs. The expiry with a default ttl is not in an index
 * because the default is the mount's and may change; with the same ttl for all of them, the order
 * is that of their activity.
 */
#include "ledger/schema.h"

#include <errno.h>

#include "ledger/db.h"

_Static_assert(SCHEMA_APPLICATION_ID == 1112821324, "literal in the SQL");

static const char version_1[] =
	"PRAGMA application_id = 1112821324;"
	"CREATE TABLE ledger ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" clean INTEGER NOT NULL,"
	" next_number INTEGER NOT NULL) STRICT;"
	"INSERT INTO ledger (one, clean, next_number) VALUES (1, 0, 1);"
	"CREATE TABLE execution ("
	" number INTEGER PRIMARY KEY,"
	" id TEXT NOT NULL,"
	" uid INTEGER NOT NULL,"
	" gid INTEGER NOT NULL,"
	" pid INTEGER NOT NULL,"
	" comm BLOB NOT NULL,"
	" created_ns INTEGER NOT NULL,"
	" activity_ns INTEGER NOT NULL,"
	" ttl_ns INTEGER NOT NULL,"
	" pinned INTEGER NOT NULL) STRICT;"
	"CREATE TABLE release ("
	" seq INTEGER PRIMARY KEY,"
	" number INTEGER NOT NULL,"
	" id TEXT NOT NULL,"
	" path BLOB NOT NULL,"
	" reason INTEGER NOT NULL,"
	" by_uid INTEGER NOT NULL,"
	" by_gid INTEGER NOT NULL,"
	" by_pid INTEGER NOT NULL,"
	" by_comm BLOB NOT NULL,"
	" uid INTEGER NOT NULL,"
	" gid INTEGER NOT NULL,"
	" pid INTEGER NOT NULL,"
	" comm BLOB NOT NULL,"
	" created_ns INTEGER NOT NULL,"
	" activity_ns INTEGER NOT NULL,"
	" released_ns INTEGER NOT NULL,"
	" ttl_ns INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" files INTEGER NOT NULL) STRICT;"
	"CREATE INDEX release_id ON release (id);"
	"CREATE TABLE file ("
	" ino INTEGER PRIMARY KEY,"
	" execution INTEGER NOT NULL,"
	" size_bytes INTEGER NOT NULL,"
	" ttl_ns INTEGER NOT NULL,"
	" own_lifetime INTEGER NOT NULL,"
	" activity_ns INTEGER NOT NULL,"
	" handle_type INTEGER NOT NULL,"
	" handle BLOB NOT NULL) STRICT;"
	"CREATE INDEX file_execution ON file (execution);"
	"CREATE INDEX file_own_ttl ON file (activity_ns + ttl_ns)"
	" WHERE own_lifetime = 1 AND ttl_ns >= 0 AND ttl_ns < 9223372036854775807;"
	"CREATE INDEX file_default_ttl ON file (activity_ns)"
	" WHERE own_lifetime = 1 AND ttl_ns = -1;"
	"PRAGMA user_version = 1;";

static const char version_2[] = "ALTER TABLE file ADD COLUMN xxh3 BLOB;"
				"ALTER TABLE file ADD COLUMN seal_size_bytes INTEGER;"
				"ALTER TABLE file ADD COLUMN seal_mtime_ns INTEGER;"
				"ALTER TABLE file ADD COLUMN seal_ctime_ns INTEGER;"
				"PRAGMA user_version = 2;";

static const char version_3[] = "ALTER TABLE file ADD COLUMN blob TEXT;"
				"CREATE INDEX file_content ON file (xxh3, seal_size_bytes)"
				" WHERE xxh3 IS NOT NULL;"
				"CREATE INDEX file_blob ON file (blob) WHERE blob IS NOT NULL;"
				"CREATE INDEX file_stub ON file (execution)"
				" WHERE blob IS NOT NULL;"
				"PRAGMA user_version = 3;";

const struct schema_step schema_steps[] = {
	{ version_1 },
	{ version_2 },
	{ version_3 },
};
const size_t schema_nsteps = ARRAY_SIZE(schema_steps);

int schema_inspect(struct db *db, size_t nsteps)
{
	int64_t application, version, objects;
	int r;

	r = db_probe_int(db, PROBE_APPLICATION, &application);
	if (r < 0)
		return r;
	r = db_probe_int(db, PROBE_VERSION, &version);
	if (r < 0)
		return r;
	r = db_probe_int(db, PROBE_OBJECTS, &objects);
	if (r < 0)
		return r;

	if (application == 0 && version == 0 && objects == 0)
		return 0;
	if (application != SCHEMA_APPLICATION_ID || version < 1)
		return -EUCLEAN;
	if ((uint64_t)version > nsteps)
		return -EPROTONOSUPPORT;
	return (int)version;
}

static int apply_steps(struct db *db, const struct schema_step *steps, size_t nsteps, int version)
{
	for (size_t i = (size_t)version; i < nsteps; i++) {
		int64_t now;
		int r = db_run(db, steps[i].sql);

		if (r < 0)
			return r;
		r = db_probe_int(db, PROBE_VERSION, &now);
		if (r < 0)
			return r;
		if (now != (int64_t)i + 1)
			return -EINVAL;
	}
	return 0;
}

int schema_migrate(struct db *db, const struct schema_step *steps, size_t nsteps, int version)
{
	int r;

	if ((size_t)version == nsteps)
		return 0;
	r = db_begin(db);
	if (r < 0)
		return r;
	r = apply_steps(db, steps, nsteps, version);
	if (r == 0)
		r = db_commit(db);
	if (r < 0)
		db_rollback(db);
	return r;
}
