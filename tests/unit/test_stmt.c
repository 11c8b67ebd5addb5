/* SPDX-License-Identifier: MIT */
/*
 * The statement table: everything prepares, and nothing walks a table that an index could answer
 * for.
 */
#include "ledger_fixture.h"

#include "ledger/db.h"
#include "ledger/schema.h"

static struct db *db;

static void setup(void)
{
	fixture_setup();
	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	ck_assert_int_eq(db_use_wal(db), 0);
	ck_assert_int_eq(schema_migrate(db, schema_steps, schema_nsteps, 0), 0);
	ck_assert_int_eq(db_set_up(db, DB_WRITER), 0);
	ck_assert_int_eq(db_prepare(db, DB_WRITER), 0);
}

static void teardown(void)
{
	db_close(db);
	fixture_teardown();
}

/* All rows: at start, the first in a boot as well, and once per walk of the tree. */
static bool wants_all_rows(enum stmt_id id)
{
	return id == STMT_EXEC_EACH || id == STMT_FILE_DELETE_UNNAMED || id == STMT_SEALS_FORGET ||
	       id == STMT_SHARED_CLEAR || id == STMT_TIME_LATEST || id == STMT_TIME_EXECUTIONS;
}

/* The first entry of a partial index, which SQLite calls a scan of it; newer versions say USING COVERING INDEX. */
static bool takes_first_of_index(enum stmt_id id, const char *detail)
{
	return (id == STMT_NEXT_OWN_TTL && strstr(detail, " INDEX file_own_ttl")) ||
	       (id == STMT_NEXT_DEFAULT_TTL && strstr(detail, " INDEX file_default_ttl"));
}

/* All of a partial index, likewise. */
static bool takes_index(enum stmt_id id, const char *detail)
{
	return (id == STMT_TIME_OWN_TTL && strstr(detail, "USING INDEX file_own_ttl")) ||
	       (id == STMT_TIME_DEFAULT_TTL && strstr(detail, "USING INDEX file_default_ttl"));
}

static void check_plan_line(enum stmt_id id, const char *detail)
{
	if (wants_all_rows(id) || takes_first_of_index(id, detail) || takes_index(id, detail))
		return;
	ck_assert_msg(strncmp(detail, "SCAN", 4) != 0, "%s: %s", stmt_sql[id], detail);
	ck_assert_msg(!strstr(detail, "TEMP B-TREE"), "%s: %s", stmt_sql[id], detail);
	ck_assert_msg(!strstr(detail, "AUTOMATIC"), "%s: %s", stmt_sql[id], detail);
}

START_TEST(table_has_no_gaps)
{
	for (int i = 0; i < STMT_MAX_; i++)
		ck_assert_ptr_nonnull(stmt_sql[i]);
	for (int i = 0; i < SCRIPT_MAX_; i++)
		ck_assert_ptr_nonnull(stmt_script_sql[i]);
	for (int i = 0; i < PROBE_MAX_; i++)
		ck_assert_ptr_nonnull(stmt_probe_sql[i]);
}
END_TEST

START_TEST(each_role_prepares_its_own_statements)
{
	struct db *reader;

	ck_assert_int_eq(db_open(fixture_path, DB_READER, &reader), 0);
	ck_assert_int_eq(db_set_up(reader, DB_READER), 0);
	ck_assert_int_eq(db_prepare(reader, DB_READER), 0);
	for (int i = 0; i < STMT_MAX_; i++) {
		bool reading = i >= STMT_READER_FIRST_;

		ck_assert_int_eq(db->stmt[i] != NULL, !reading);
		ck_assert_int_eq(reader->stmt[i] != NULL, reading);
		ck_assert(!reading || sqlite3_stmt_readonly(reader->stmt[i]));
	}
	db_close(reader);
}
END_TEST

START_TEST(a_statement_is_prepared_when_it_is_used)
{
	struct db *reader;
	sqlite3_stmt *s;

	ck_assert_int_eq(db_open(fixture_path, DB_READER, &reader), 0);
	ck_assert_int_eq(db_set_up(reader, DB_READER), 0);
	ck_assert_ptr_null(reader->stmt[STMT_EXEC_EACH]);
	s = db_stmt(reader, STMT_EXEC_EACH);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(db_step(reader, s), 0);
	stmt_resetp(&s);
	ck_assert_ptr_eq(db_stmt(reader, STMT_EXEC_EACH), s);
	db_close(reader);
}
END_TEST

START_TEST(a_statement_without_its_table_fails_at_its_step)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct db *reader;

	ck_assert_int_eq(db_run(db, "DROP TABLE file"), 0);
	ck_assert_int_eq(db_open(fixture_path, DB_READER, &reader), 0);
	ck_assert_int_eq(db_set_up(reader, DB_READER), 0);
	s = db_stmt(reader, STMT_USAGE);
	ck_assert_ptr_null(s);
	stmt_bind_u64(s, 1, 1);
	ck_assert_int_eq(db_step(reader, s), -EINVAL);
	ck_assert_int_eq(db_prepare(reader, DB_READER), -EINVAL);
	db_close(reader);
}
END_TEST

START_TEST(statements_use_an_index)
{
	for (int i = 0; i < STMT_MAX_; i++) {
		_cleanup_free_ char *sql = NULL;
		sqlite3_stmt *s;

		ck_assert_int_gt(asprintf(&sql, "EXPLAIN QUERY PLAN %s", stmt_sql[i]), 0);
		ck_assert_int_eq(sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL), SQLITE_OK);
		while (sqlite3_step(s) == SQLITE_ROW)
			check_plan_line((enum stmt_id)i, (const char *)sqlite3_column_text(s, 3));
		(void)sqlite3_finalize(s);
	}
}
END_TEST

START_TEST(column_str_cuts_and_terminates)
{
	sqlite3_stmt *s;
	char buf[4];

	ck_assert_int_eq(sqlite3_prepare_v2(db->handle, "SELECT 'abcdef', NULL, x'ff41'", -1, &s,
					    NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
	stmt_column_str(s, 0, buf, sizeof(buf));
	ck_assert_str_eq(buf, "abc");
	stmt_column_str(s, 1, buf, sizeof(buf));
	ck_assert_str_eq(buf, "");
	stmt_column_str(s, 2, buf, sizeof(buf));
	ck_assert_str_eq(buf, "\xff"
			      "A");
	(void)sqlite3_finalize(s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		table_has_no_gaps,
		each_role_prepares_its_own_statements,
		a_statement_is_prepared_when_it_is_used,
		a_statement_without_its_table_fails_at_its_step,
		statements_use_an_index,
		column_str_cuts_and_terminates,
	};

	return RUN_TESTS("stmt", tests, setup, teardown);
}
