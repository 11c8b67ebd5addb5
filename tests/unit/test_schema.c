/* SPDX-License-Identifier: MIT */
/*
 * Versions of the schema: what a file is, taking it from one version to the next, and leaving
 * alone what is not understood. Later versions are simulated by steps of the test.
 */
#include "ledger_fixture.h"

#include "ledger/db.h"
#include "ledger/schema.h"

static const char to_2[] = "CREATE TABLE extra (a INTEGER) STRICT; PRAGMA user_version = 2;";
static const char to_3[] = "INSERT INTO extra VALUES (3); PRAGMA user_version = 3;";
static const char broken[] = "INSERT INTO extra VALUES (4); INSERT INTO nowhere VALUES (1);";
static const char forgetful[] = "INSERT INTO extra VALUES (5);";

static struct db *open_writer(void)
{
	struct db *db;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	return db;
}

static void migrate(const struct schema_step *steps, size_t n, int expected)
{
	struct db *db = open_writer();
	int version = schema_inspect(db, n);

	ck_assert_int_ge(version, 0);
	ck_assert_int_eq(schema_migrate(db, steps, n, version), expected);
	db_close(db);
}

/* Version 1 as released, and what the test adds. */
static struct schema_step step_1(void)
{
	return schema_steps[0];
}

START_TEST(empty_file_is_version_zero_and_becomes_current)
{
	struct db *db = open_writer();

	ck_assert_int_eq(schema_inspect(db, schema_nsteps), 0);
	ck_assert_int_eq(schema_migrate(db, schema_steps, schema_nsteps, 0), 0);
	ck_assert_int_eq(schema_inspect(db, schema_nsteps), (int)schema_nsteps);
	db_close(db);
	ck_assert_int_eq(fixture_ask("PRAGMA application_id"), SCHEMA_APPLICATION_ID);
}
END_TEST

START_TEST(current_version_is_left_alone)
{
	struct db *db;
	int64_t cookie;

	migrate(schema_steps, schema_nsteps, 0);
	cookie = fixture_ask("PRAGMA schema_version");
	db = open_writer();
	ck_assert_int_eq(schema_migrate(db, schema_steps, schema_nsteps, (int)schema_nsteps), 0);
	db_close(db);
	ck_assert_int_eq(fixture_ask("PRAGMA schema_version"), cookie);
}
END_TEST

START_TEST(older_version_takes_only_the_missing_steps)
{
	const struct schema_step steps[] = { step_1(), { to_2 }, { to_3 } };

	migrate(steps, 1, 0);
	fixture_change("INSERT INTO execution VALUES (7, 'x', 1, 1, 1, x'', 1, 1, 1, 0)");
	migrate(steps, 2, 0);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM extra"), 0);
	migrate(steps, 3, 0);
	ck_assert_int_eq(fixture_ask("SELECT a FROM extra"), 3);
	ck_assert_int_eq(fixture_ask("PRAGMA user_version"), 3);
	ck_assert_int_eq(fixture_ask("SELECT number FROM execution"), 7);
}
END_TEST

START_TEST(new_file_goes_through_all_steps)
{
	const struct schema_step steps[] = { step_1(), { to_2 }, { to_3 } };

	migrate(steps, 3, 0);
	ck_assert_int_eq(fixture_ask("PRAGMA user_version"), 3);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM extra"), 1);
}
END_TEST

START_TEST(failed_step_takes_back_the_ones_before_it)
{
	const struct schema_step steps[] = { step_1(), { to_2 }, { broken } };

	migrate(steps, 1, 0);
	migrate(steps, 3, -EINVAL);
	ck_assert_int_eq(fixture_ask("PRAGMA user_version"), 1);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
}
END_TEST

START_TEST(step_that_forgets_its_version_fails)
{
	const struct schema_step steps[] = { step_1(), { to_2 }, { forgetful } };

	migrate(steps, 3, -EINVAL);
	ck_assert_int_eq(fixture_ask("PRAGMA user_version"), 0);
}
END_TEST

START_TEST(newer_version_is_not_supported)
{
	const struct schema_step steps[] = { step_1(), { to_2 } };
	struct db *db;

	migrate(steps, 2, 0);
	db = open_writer();
	ck_assert_int_eq(schema_inspect(db, 1), -EPROTONOSUPPORT);
	db_close(db);
}
END_TEST

START_TEST(database_of_another_program_is_no_ledger)
{
	struct db *db;

	fixture_change("CREATE TABLE recipes (a); PRAGMA user_version = 1");
	db = open_writer();
	ck_assert_int_eq(schema_inspect(db, schema_nsteps), -EUCLEAN);
	db_close(db);
}
END_TEST

/* A file as version 1 wrote it, word for word. */
static const char file_of_version_1[] =
	"PRAGMA application_id = 1112821324; PRAGMA journal_mode = WAL;"
	"CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), clean INTEGER NOT NULL,"
	" next_number INTEGER NOT NULL) STRICT;"
	"INSERT INTO ledger VALUES (1, 1, 9);"
	"CREATE TABLE execution (number INTEGER PRIMARY KEY, id TEXT NOT NULL, uid INTEGER NOT NULL,"
	" gid INTEGER NOT NULL, pid INTEGER NOT NULL, comm BLOB NOT NULL, created_ns INTEGER NOT NULL,"
	" activity_ns INTEGER NOT NULL, ttl_ns INTEGER NOT NULL, pinned INTEGER NOT NULL) STRICT;"
	"INSERT INTO execution VALUES (8, '4711', 1000, 100, 77, x'6e6f6465', 5, 6, -1, 1);"
	"CREATE TABLE release (seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, id TEXT NOT NULL,"
	" path BLOB NOT NULL, reason INTEGER NOT NULL, by_uid INTEGER NOT NULL,"
	" by_gid INTEGER NOT NULL, by_pid INTEGER NOT NULL, by_comm BLOB NOT NULL,"
	" uid INTEGER NOT NULL, gid INTEGER NOT NULL, pid INTEGER NOT NULL, comm BLOB NOT NULL,"
	" created_ns INTEGER NOT NULL, activity_ns INTEGER NOT NULL, released_ns INTEGER NOT NULL,"
	" ttl_ns INTEGER NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL) STRICT;"
	"CREATE INDEX release_id ON release (id);"
	"INSERT INTO release VALUES (3, 7, '4710', x'', 1, 0, 0, 0, x'', 1000, 100, 77, x'6e6f6465',"
	" 1, 2, 3, 4, 50, 6);"
	"CREATE TABLE file (ino INTEGER PRIMARY KEY, execution INTEGER NOT NULL,"
	" size_bytes INTEGER NOT NULL, ttl_ns INTEGER NOT NULL, own_lifetime INTEGER NOT NULL,"
	" activity_ns INTEGER NOT NULL, handle_type INTEGER NOT NULL, handle BLOB NOT NULL) STRICT;"
	"CREATE INDEX file_execution ON file (execution);"
	"CREATE INDEX file_own_ttl ON file (activity_ns + ttl_ns)"
	" WHERE own_lifetime = 1 AND ttl_ns >= 0 AND ttl_ns < 9223372036854775807;"
	"CREATE INDEX file_default_ttl ON file (activity_ns) WHERE own_lifetime = 1 AND ttl_ns = -1;"
	"INSERT INTO file VALUES (33, 8, 1000, -1, 0, 6, 1, x'0102'), (34, 8, 24, 70, 1, 6, 1, x'03');"
	"PRAGMA user_version = 1;";

static int copy_execution(void *arg, const struct ledger_execution *e)
{
	*(struct ledger_execution *)arg = *e;
	return 1;
}

static int copy_release(void *arg, const struct ledger_release *r)
{
	*(struct ledger_release *)arg = *r;
	return 1;
}

static int copy_file(void *arg, const struct ledger_file *f)
{
	*(struct ledger_file *)arg = *f;
	return 1;
}

START_TEST(rows_of_version_1_are_kept)
{
	struct ledger_open_result opened;
	struct ledger *l;
	struct ledger_execution e;
	struct ledger_release r;
	struct ledger_file f;
	struct ledger_seal seal = { .xxh3 = { 1, 2, 3 }, .size_bytes = 1000 };
	uint64_t files, bytes;

	fixture_change(file_of_version_1);
	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &opened), 0);
	ck_assert_int_eq(opened.state, LEDGER_CLEAN);
	ck_assert_uint_eq(opened.next_number, 9);
	ck_assert_int_eq(ledger_each_execution(l, copy_execution, &e), 1);
	ck_assert_uint_eq(e.number, 8);
	ck_assert_str_eq(e.id, "4711");
	ck_assert_str_eq(e.owner.comm, "node");
	ck_assert(e.pinned);
	ck_assert_int_eq(ledger_each_release(l, "4710", 9, copy_release, &r), 1);
	ck_assert_uint_eq(r.bytes, 50);
	ck_assert_uint_eq(r.files, 6);
	ck_assert_int_eq(ledger_usage(l, 8, &files, &bytes), 0);
	ck_assert_uint_eq(files, 2);
	ck_assert_uint_eq(bytes, 1024);
	ck_assert_int_eq(ledger_each_expired_file(l, 76, 1000, 9, copy_file, &f), 1);
	ck_assert_uint_eq(f.ino, 34);
	ck_assert_int_eq(f.handle_len, 1);

	/* And what came later can be said of them. */
	ck_assert_int_eq(ledger_seal(l, 33, &seal), -ENODATA);
	ledger_file_sealed(l, 33, &seal);
	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(ledger_seal(l, 33, &seal), 0);
	ck_assert_uint_eq(seal.xxh3[2], 3);
	ledger_free(l);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_file_is_version_zero_and_becomes_current,
		current_version_is_left_alone,
		older_version_takes_only_the_missing_steps,
		new_file_goes_through_all_steps,
		failed_step_takes_back_the_ones_before_it,
		step_that_forgets_its_version_fails,
		newer_version_is_not_supported,
		database_of_another_program_is_no_ledger,
		rows_of_version_1_are_kept,
	};

	return RUN_TESTS("schema", tests, fixture_setup, fixture_teardown);
}
