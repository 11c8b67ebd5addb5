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

int main(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("schema");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, empty_file_is_version_zero_and_becomes_current);
	tcase_add_test(tc, current_version_is_left_alone);
	tcase_add_test(tc, older_version_takes_only_the_missing_steps);
	tcase_add_test(tc, new_file_goes_through_all_steps);
	tcase_add_test(tc, failed_step_takes_back_the_ones_before_it);
	tcase_add_test(tc, step_that_forgets_its_version_fails);
	tcase_add_test(tc, newer_version_is_not_supported);
	tcase_add_test(tc, database_of_another_program_is_no_ledger);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
