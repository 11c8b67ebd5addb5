/* SPDX-License-Identifier: MIT */
/*
 * Connections and the file: who may open it, what errors become, setting it aside.
 */
#include "ledger_fixture.h"

#include "ledger/db.h"

static void write_file(const char *suffix, const char *text)
{
	_cleanup_free_ char *name = NULL;
	FILE *f;

	ck_assert_int_gt(asprintf(&name, "%s%s", fixture_path, suffix), 0);
	f = fopen(name, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static bool exists_in_dir(const char *name, const char *suffix)
{
	_cleanup_free_ char *path = NULL;

	ck_assert_int_gt(asprintf(&path, "%s/%s%s", fixture_dir, name, suffix), 0);
	return access(path, F_OK) == 0;
}

START_TEST(lock_is_held_by_one_descriptor_at_a_time)
{
	int fd = db_lock_file(fixture_path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(db_lock_file(fixture_path), -EBUSY);
	(void)close(fd);
	fd = db_lock_file(fixture_path);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
}
END_TEST

START_TEST(new_file_is_private)
{
	struct db *db;
	struct stat st;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	ck_assert_int_eq(db_use_wal(db), 0);
	ck_assert_int_eq(stat(fixture_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	db_close(db);
}
END_TEST

START_TEST(missing_directory_is_reported)
{
	struct db *db;

	ck_assert_int_eq(db_open("/nonexistent/ledger.db", DB_WRITER, &db), -ENOENT);
	ck_assert_int_eq(db_lock_file("/nonexistent/ledger.db"), -ENOENT);
}
END_TEST

START_TEST(directory_is_not_opened)
{
	struct db *db;

	ck_assert_int_eq(db_open(fixture_dir, DB_WRITER, &db), -EISDIR);
}
END_TEST

START_TEST(symbolic_link_is_not_followed)
{
	struct db *db;

	ck_assert_int_eq(symlink("/tmp/elsewhere", fixture_path), 0);
	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), -ELOOP);
}
END_TEST

START_TEST(garbage_is_unclean)
{
	struct db *db;
	char text[1000];
	int64_t version;

	memset(text, 'g', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file("", text);
	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	ck_assert_int_eq(db_probe_int(db, PROBE_VERSION, &version), -EUCLEAN);
	db_close_untouched(db);
	write_file("", "too short");
	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), -EUCLEAN);
}
END_TEST

START_TEST(refused_statement_is_invalid)
{
	struct db *db;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	ck_assert_int_eq(db_run(db, "SELECT * FROM nowhere"), -EINVAL);
	db_close(db);
}
END_TEST

START_TEST(second_transaction_is_busy)
{
	struct db *a, *b;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &a), 0);
	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &b), 0);
	ck_assert_int_eq(db_use_wal(a), 0);
	ck_assert_int_eq(db_begin(a), 0);
	ck_assert_int_eq(db_begin(b), -EBUSY);
	db_rollback(a);
	db_rollback(a); /* nothing to roll back */
	ck_assert_int_eq(db_begin(b), 0);
	db_rollback(b);
	db_close(b);
	db_close(a);
}
END_TEST

START_TEST(reader_cannot_write)
{
	struct db *writer, *reader;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &writer), 0);
	ck_assert_int_eq(db_use_wal(writer), 0);
	ck_assert_int_eq(db_open(fixture_path, DB_READER, &reader), 0);
	ck_assert_int_eq(db_run(reader, "CREATE TABLE t (a)"), -EROFS);
	db_close(reader);
	db_close(writer);
}
END_TEST

START_TEST(set_aside_takes_the_log_along)
{
	char name[300];

	write_file("", "a");
	write_file("-wal", "b");
	write_file("-shm", "c");
	ck_assert_int_eq(db_set_aside(fixture_path, 1000, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "ledger.db.corrupt-1000");
	ck_assert(!exists_in_dir("ledger.db", ""));
	ck_assert(!exists_in_dir("ledger.db", "-wal"));
	ck_assert(!exists_in_dir("ledger.db", "-shm"));
	ck_assert(exists_in_dir(name, ""));
	ck_assert(exists_in_dir(name, "-wal"));
	ck_assert(exists_in_dir(name, "-shm"));
}
END_TEST

START_TEST(set_aside_keeps_the_ones_before)
{
	char name[300];

	write_file("", "a");
	ck_assert_int_eq(db_set_aside(fixture_path, 1000, name, sizeof(name)), 0);
	write_file("", "b");
	ck_assert_int_eq(db_set_aside(fixture_path, 1000, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "ledger.db.corrupt-1001");
	ck_assert(exists_in_dir("ledger.db.corrupt-1000", ""));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lock_is_held_by_one_descriptor_at_a_time,
		new_file_is_private,
		missing_directory_is_reported,
		directory_is_not_opened,
		symbolic_link_is_not_followed,
		garbage_is_unclean,
		refused_statement_is_invalid,
		second_transaction_is_busy,
		reader_cannot_write,
		set_aside_takes_the_log_along,
		set_aside_keeps_the_ones_before,
	};

	return RUN_TESTS("db", tests, fixture_setup, fixture_teardown);
}
