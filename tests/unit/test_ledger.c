/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing the ledger: how it was found, what is refused, what is replaced, who is kept
 * out.
 */
#include <sys/mount.h>

#include "ledger_fixture.h"
#include "util/clock.h"

static struct ledger_open_result result;

static struct ledger *reopen(struct ledger *l, enum ledger_state state)
{
	ledger_free(l);
	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), 0);
	ck_assert_int_eq(result.state, state);
	return l;
}

static struct ledger *open_reconciled(void)
{
	struct ledger *l = fixture_open(LEDGER_NEW);

	fixture_reconcile(l);
	return l;
}

static void *read_all(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "r");
	char *data = malloc(1 << 20);

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(data);
	*ret_len = fread(data, 1, 1 << 20, f);
	ck_assert_int_eq(fclose(f), 0);
	return data;
}

static void overwrite(off_t offset, const void *data, size_t len)
{
	int fd = open(fixture_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, data, len, offset), (ssize_t)len);
	(void)close(fd);
}

static int count_entries(void)
{
	_cleanup_closedir_ DIR *dir = opendir(fixture_dir);
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	return n;
}

/* ---- states ---- */

START_TEST(new_ledger_is_new_and_numbers_begin_at_one)
{
	struct ledger *l = reopen(NULL, LEDGER_NEW);

	ck_assert_uint_eq(result.next_number, 1);
	ck_assert_str_eq(result.set_aside, "");
	ledger_free(l);
}
END_TEST

START_TEST(closed_ledger_is_clean)
{
	struct ledger *l = open_reconciled();

	l = reopen(l, LEDGER_CLEAN);
	l = reopen(l, LEDGER_CLEAN);
	ledger_free(l);
}
END_TEST

START_TEST(free_of_nothing_is_allowed)
{
	ledger_free(NULL);
}
END_TEST

START_TEST(numbers_are_never_given_twice)
{
	struct ledger *l = open_reconciled();
	struct ledger_execution e = fixture_execution(41, "a");
	struct ledger_release r = fixture_release(41, "a");
	struct ledger_file f = fixture_file(1, 50, 1);

	ledger_execution_put(l, &e);
	ledger_release(l, &r);
	l = reopen(l, LEDGER_CLEAN);
	ck_assert_uint_eq(result.next_number, 42);
	ledger_file_put(l, &f);
	ledger_file_gone(l, 1);
	l = reopen(l, LEDGER_CLEAN);
	ck_assert_uint_eq(result.next_number, 51);
	ledger_free(l);
}
END_TEST

START_TEST(rows_survive_closing)
{
	struct ledger *l = open_reconciled();
	struct ledger_file f = fixture_file(1, 50, 77);
	uint64_t files, bytes;

	ledger_file_put(l, &f);
	l = reopen(l, LEDGER_CLEAN);
	ck_assert_int_eq(ledger_usage(l, 50, &files, &bytes), 0);
	ck_assert_uint_eq(bytes, 77);
	ledger_free(l);
}
END_TEST

/* ---- refused and replaced ---- */

START_TEST(newer_version_is_refused_and_untouched)
{
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *after = NULL;
	size_t nbefore, nafter;
	struct ledger *l;
	int entries;

	ledger_free(open_reconciled());
	fixture_change("PRAGMA user_version = 99");
	entries = count_entries();
	before = read_all(fixture_path, &nbefore);
	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), -EPROTONOSUPPORT);
	after = read_all(fixture_path, &nafter);
	ck_assert_uint_eq(nbefore, nafter);
	ck_assert_mem_eq(before, after, nbefore);
	ck_assert_int_eq(count_entries(), entries);
}
END_TEST

static void copy_file(const char *from, const char *to)
{
	size_t len;
	_cleanup_free_ char *data = read_all(from, &len);
	FILE *f = fopen(to, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* A newer program that crashed: its version is in the log only. */
START_TEST(log_of_a_newer_version_is_untouched)
{
	_cleanup_free_ char *wal = NULL;
	_cleanup_free_ char *saved = NULL;
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *after = NULL;
	size_t nbefore, nafter;
	struct ledger *l;
	sqlite3 *db;

	ck_assert_int_gt(asprintf(&wal, "%s-wal", fixture_path), 0);
	ck_assert_int_gt(asprintf(&saved, "%s/saved", fixture_dir), 0);
	ledger_free(open_reconciled());
	ck_assert_int_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	copy_file(wal, saved);
	ck_assert_int_eq(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	copy_file(saved, wal);

	before = read_all(wal, &nbefore);
	ck_assert_uint_gt(nbefore, 0);
	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), -EPROTONOSUPPORT);
	after = read_all(wal, &nafter);
	ck_assert_uint_eq(nbefore, nafter);
	ck_assert_mem_eq(before, after, nbefore);
}
END_TEST

static void check_replaced(void)
{
	_cleanup_free_ char *aside = NULL;
	struct ledger *l = reopen(NULL, LEDGER_REPLACED);
	int n = 0;

	ck_assert_int_eq(strncmp(result.set_aside, "ledger.db.corrupt-", 18), 0);
	ck_assert_int_gt(asprintf(&aside, "%s/%s", fixture_dir, result.set_aside), 0);
	ck_assert_int_eq(access(aside, F_OK), 0);
	ck_assert_uint_eq(result.next_number, 1);
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 0);
	fixture_reconcile(l);
	ledger_free(reopen(l, LEDGER_CLEAN));
}

START_TEST(garbage_is_set_aside)
{
	char garbage[5000];

	memset(garbage, 'g', sizeof(garbage));
	overwrite(0, garbage, sizeof(garbage));
	check_replaced();
}
END_TEST

START_TEST(few_bytes_are_set_aside)
{
	overwrite(0, "x", 1);
	check_replaced();
}
END_TEST

START_TEST(database_of_another_program_is_set_aside)
{
	fixture_change("CREATE TABLE recipes (a)");
	check_replaced();
}
END_TEST

START_TEST(damaged_page_is_set_aside)
{
	struct ledger *l = open_reconciled();
	char damage[3000];

	for (uint64_t i = 1; i < 2000; i++) {
		struct ledger_execution e = fixture_execution(i, "a");

		ledger_execution_put(l, &e);
	}
	ledger_free(l);
	memset(damage, 0xd7, sizeof(damage));
	overwrite(8 * 4096 + 5, damage, sizeof(damage));
	overwrite(16 * 4096 + 5, damage, sizeof(damage));
	check_replaced();
}
END_TEST

START_TEST(missing_table_is_set_aside)
{
	ledger_free(open_reconciled());
	fixture_change("DROP TABLE file");
	check_replaced();
}
END_TEST

START_TEST(missing_row_is_set_aside)
{
	ledger_free(open_reconciled());
	fixture_change("DELETE FROM ledger");
	check_replaced();
}
END_TEST

START_TEST(truncated_file_is_set_aside)
{
	struct ledger *l = open_reconciled();

	for (uint64_t i = 1; i < 2000; i++) {
		struct ledger_execution e = fixture_execution(i, "a");

		ledger_execution_put(l, &e);
	}
	ledger_free(l);
	ck_assert_int_eq(truncate(fixture_path, 5 * 4096), 0);
	check_replaced();
}
END_TEST

/* ---- others ---- */

/* Exit status of a process that opens the ledger: the errno. */
static int open_elsewhere(void)
{
	int fd, status;
	pid_t pid = fixture_spawn("open", &fd);

	(void)close(fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_and_close(const char *path)
{
	struct ledger *l;
	int r = ledger_open(path, NULL, &l, &result);

	if (r < 0)
		return -r;
	ledger_free(l);
	return 0;
}

START_TEST(second_process_is_kept_out)
{
	struct ledger *l = open_reconciled();

	ck_assert_int_eq(open_elsewhere(), EBUSY);
	l = reopen(l, LEDGER_CLEAN);
	ck_assert_int_eq(open_elsewhere(), EBUSY);
	ledger_free(l);
	ck_assert_int_eq(open_elsewhere(), 0);
}
END_TEST

START_TEST(second_ledger_of_this_process_is_kept_out)
{
	struct ledger *l = open_reconciled();
	struct ledger *second;

	ck_assert_int_eq(ledger_open(fixture_path, NULL, &second, &result), -EBUSY);
	ledger_free(l);
}
END_TEST

START_TEST(other_programs_may_read)
{
	struct ledger *l = open_reconciled();
	struct ledger_execution e = fixture_execution(1, "a");
	int n = 0;

	ledger_execution_put(l, &e);
	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM execution"), 1);
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 1);
	ledger_free(l);
}
END_TEST

/* Commits of a few pages each, 5 MiB of log in all: it is begun again in time, and cut. */
START_TEST(log_in_memory_is_small)
{
	struct ledger *l;
	char log[128];
	struct stat st;

	ck_assert_int_eq(mount("test", fixture_dir, "tmpfs", 0, NULL), 0);
	l = open_reconciled();
	for (uint64_t i = 1; i <= 400; i++) {
		struct ledger_execution e = fixture_execution(i, "a");
		struct ledger_file f = fixture_file(i, i, 1);

		ledger_execution_put(l, &e);
		ledger_file_put(l, &f);
		ck_assert_int_eq(ledger_sync(l), 0);
	}
	(void)snprintf(log, sizeof(log), "%s-wal", fixture_path);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_le(st.st_size, (1 << 20) + (1 << 17));
	ledger_free(l);
	ck_assert_int_eq(umount2(fixture_dir, MNT_DETACH), 0);
}
END_TEST

/* Without a look at all of it. */
START_TEST(reopened_after_a_kill_is_what_it_was)
{
	struct ledger *l = open_reconciled();
	struct ledger_execution e = fixture_execution(1, "a");

	ledger_execution_put(l, &e);
	ledger_free(l);
	ck_assert_int_eq(ledger_reopen(fixture_path, NULL, LEDGER_LEFT_UNKNOWN, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_CLEAN);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM execution"), 1);
	ledger_free(l);
}
END_TEST

static bool is_marked_clean(void)
{
	return fixture_ask("SELECT clean FROM ledger") == 1;
}

/* The file says of itself that it is in use, all the while. */
START_TEST(left_in_order_is_clean_for_who_is_told)
{
	struct ledger *l = open_reconciled();
	struct ledger_execution e = fixture_execution(1, "a");
	uint64_t next;

	ledger_execution_put(l, &e);
	ck_assert_int_eq(ledger_leave(l), LEDGER_LEFT_IN_ORDER);
	ck_assert(!is_marked_clean());
	ck_assert_int_eq(ledger_reopen(fixture_path, NULL, LEDGER_LEFT_IN_ORDER, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_CLEAN);
	ck_assert(!is_marked_clean());
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM execution"), 1);
	next = result.next_number;
	ck_assert_uint_eq(next, 2);
	ck_assert_int_eq(ledger_leave(l), LEDGER_LEFT_IN_ORDER);

	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_UNCLEAN);
	ck_assert_uint_gt(result.next_number, next);
	ledger_free(l);
}
END_TEST

START_TEST(left_while_it_may_not_agree_is_unclean)
{
	struct ledger *l = open_reconciled();

	ledger_doubt(l);
	ck_assert_int_eq(ledger_leave(l), LEDGER_LEFT_IN_USE);
	ck_assert_int_eq(ledger_reopen(fixture_path, NULL, LEDGER_LEFT_IN_USE, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_UNCLEAN);
	ledger_free(l);
}
END_TEST

START_TEST(reopened_is_replaced_if_it_is_no_ledger)
{
	struct ledger *l = open_reconciled();
	FILE *f;

	ledger_free(l);
	f = fopen(fixture_path, "w");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "no database\n");
	fclose(f);
	ck_assert_int_eq(ledger_reopen(fixture_path, NULL, LEDGER_LEFT_UNKNOWN, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_REPLACED);
	ledger_free(l);
}
END_TEST

START_TEST(reopened_is_replaced_if_it_has_lost_a_table)
{
	static const char *const tables[] = { "ledger", "execution", "release", "file" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		_cleanup_free_ char *sql = NULL;
		struct ledger *l;
		sqlite3 *db;

		ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), 0);
		ledger_free(l);
		ck_assert_int_gt(asprintf(&sql, "DROP TABLE %s", tables[i]), 0);
		ck_assert_int_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
		ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
		ck_assert_int_eq(ledger_reopen(fixture_path, NULL, LEDGER_LEFT_UNKNOWN, &l,
					       &result),
				 0);
		ck_assert_int_eq(result.state, LEDGER_REPLACED);
		ledger_free(l);
	}
}
END_TEST

/* Executions used 100 s and 30 s ago, and files of each kind that lives for a time, used 90 s ago. */
static void put_used(struct ledger *l)
{
	struct ledger_execution old = fixture_execution(1, "old");
	struct ledger_execution young = fixture_execution(2, "young");
	struct ledger_file f = fixture_file(7, 1, 1);
	struct ledger_file g = fixture_file(8, 1, 1);
	int64_t now = ledger_now_ns(l);

	old.activity_ns = now - 100 * NS_PER_S;
	young.activity_ns = now - 30 * NS_PER_S;
	f.activity_ns = g.activity_ns = now - 90 * NS_PER_S;
	f.own_lifetime = g.own_lifetime = true;
	g.ttl_ns = NS_PER_S;
	ledger_execution_put(l, &old);
	ledger_execution_put(l, &young);
	ledger_file_put(l, &f);
	ledger_file_put(l, &g);
}

static void check_idle_of(struct ledger *l, const char *question, int64_t seconds)
{
	int64_t idle_ns = ledger_now_ns(l) - fixture_ask(question);

	ck_assert_int_ge(idle_ns, (seconds - 1) * NS_PER_S);
	ck_assert_int_lt(idle_ns, (seconds + 20) * NS_PER_S);
}

static void check_idle(struct ledger *l, int64_t old, int64_t young, int64_t file)
{
	check_idle_of(l, "SELECT activity_ns FROM execution WHERE number = 1", old);
	check_idle_of(l, "SELECT activity_ns FROM execution WHERE number = 2", young);
	check_idle_of(l, "SELECT activity_ns FROM file WHERE ino = 7", file);
	check_idle_of(l, "SELECT activity_ns FROM file WHERE ino = 8", file);
}

static struct ledger_time time_after(int64_t seconds)
{
	return (struct ledger_time){ .base_ns = clock_ns(CLOCK_REALTIME) - clock_mono_ns() +
						seconds * NS_PER_S };
}

/* Whatever clock the new time begins with: what has passed meanwhile is not known. */
START_TEST(in_another_time_all_is_as_idle_as_it_was)
{
	static const int64_t seconds[] = { 10 * 365 * 86400L, -10 * 365 * 86400L, 0 };
	struct ledger *l = open_reconciled();

	put_used(l);
	ledger_free(l);
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		struct ledger_time time = time_after(seconds[i]);

		ck_assert_int_eq(ledger_open(fixture_path, &time, &l, &result), 0);
		check_idle(l, 70, 0, 60);
		ledger_free(l);
	}
}
END_TEST

START_TEST(in_another_time_what_had_passed_counts)
{
	struct ledger_time time = time_after(4711 * 86400L);
	struct ledger *l = open_reconciled();

	put_used(l);
	time.last_ns = ledger_now_ns(l) + 50 * NS_PER_S;
	ledger_free(l);
	ck_assert_int_eq(ledger_open(fixture_path, &time, &l, &result), 0);
	check_idle(l, 150, 80, 140);
	ledger_free(l);

	time.goes_on = true;
	ck_assert_int_eq(ledger_open(fixture_path, &time, &l, &result), 0);
	check_idle(l, 150, 80, 140);
	ledger_free(l);
}
END_TEST

START_TEST(missing_directory_is_reported)
{
	struct ledger *l;

	ck_assert_int_eq(ledger_open("/nonexistent/ledger.db", NULL, &l, &result), -ENOENT);
}
END_TEST

START_TEST(reasons_have_names)
{
	ck_assert_str_eq(ledger_reason_name(LEDGER_EXPIRED), "expired");
	ck_assert_str_eq(ledger_reason_name(LEDGER_RELEASED), "released");
	ck_assert_str_eq(ledger_reason_name(LEDGER_EMPTY), "empty");
	ck_assert_str_eq(ledger_reason_name(LEDGER_EVICTED), "evicted");
	ck_assert_str_eq(ledger_reason_name(LEDGER_REMOVED), "removed");
	ck_assert_str_eq(ledger_reason_name(LEDGER_UNRECORDED), "unrecorded");
	ck_assert_str_eq(ledger_reason_name(LEDGER_REASON_MAX_), "unknown");
}
END_TEST

static TCase *case_states(void)
{
	TCase *tc = tcase_create("states");

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, new_ledger_is_new_and_numbers_begin_at_one);
	tcase_add_test(tc, closed_ledger_is_clean);
	tcase_add_test(tc, free_of_nothing_is_allowed);
	tcase_add_test(tc, numbers_are_never_given_twice);
	tcase_add_test(tc, rows_survive_closing);
	return tc;
}

static TCase *case_refused(void)
{
	TCase *tc = tcase_create("refused and replaced");

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, newer_version_is_refused_and_untouched);
	tcase_add_test(tc, log_of_a_newer_version_is_untouched);
	tcase_add_test(tc, garbage_is_set_aside);
	tcase_add_test(tc, few_bytes_are_set_aside);
	tcase_add_test(tc, database_of_another_program_is_set_aside);
	tcase_add_test(tc, damaged_page_is_set_aside);
	tcase_add_test(tc, missing_table_is_set_aside);
	tcase_add_test(tc, missing_row_is_set_aside);
	tcase_add_test(tc, truncated_file_is_set_aside);
	return tc;
}

static TCase *case_others(void)
{
	TCase *tc = tcase_create("others");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, second_process_is_kept_out);
	tcase_add_test(tc, second_ledger_of_this_process_is_kept_out);
	tcase_add_test(tc, other_programs_may_read);
	tcase_add_test(tc, log_in_memory_is_small);
	tcase_add_test(tc, reopened_after_a_kill_is_what_it_was);
	tcase_add_test(tc, left_in_order_is_clean_for_who_is_told);
	tcase_add_test(tc, left_while_it_may_not_agree_is_unclean);
	tcase_add_test(tc, reopened_is_replaced_if_it_is_no_ledger);
	tcase_add_test(tc, reopened_is_replaced_if_it_has_lost_a_table);
	tcase_add_test(tc, in_another_time_all_is_as_idle_as_it_was);
	tcase_add_test(tc, in_another_time_what_had_passed_counts);
	tcase_add_test(tc, missing_directory_is_reported);
	tcase_add_test(tc, reasons_have_names);
	return tc;
}

int main(int argc, char **argv)
{
	Suite *s;

	if (argc == 3 && strcmp(argv[1], "open") == 0)
		return open_and_close(argv[2]);
	s = suite_create("ledger");
	suite_add_tcase(s, case_states());
	suite_add_tcase(s, case_refused());
	suite_add_tcase(s, case_others());
	return run_suite(s);
}
