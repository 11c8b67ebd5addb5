/* SPDX-License-Identifier: MIT */
/*
 * The writer thread: batches, back-pressure, a disk that is full or locked for a while, death by
 * SIGKILL.
 */
#include "ledger_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "util/clock.h"

#define NTHREADS 4
#define PER_THREAD 20000

static struct ledger *l;

static void setup(void)
{
	fixture_setup();
	l = fixture_open(LEDGER_NEW);
}

static void teardown(void)
{
	ledger_free(l);
	fixture_teardown();
}

static void put(uint64_t ino, uint64_t execution, uint64_t size)
{
	struct ledger_file f = fixture_file(ino, execution, size);

	ledger_file_put(l, &f);
}

static uint64_t nfiles(uint64_t execution)
{
	uint64_t files, bytes;

	ck_assert_int_eq(ledger_usage(l, execution, &files, &bytes), 0);
	return files;
}

/* ---- batches ---- */

START_TEST(sync_makes_events_visible)
{
	for (uint64_t i = 1; i <= 20; i++) {
		put(i, 1, 1);
		ck_assert_int_eq(ledger_sync(l), 0);
		ck_assert_uint_eq(nfiles(1), i);
	}
}
END_TEST

START_TEST(many_events_share_a_commit)
{
	struct ledger_stats st;

	for (uint64_t i = 1; i <= 20000; i++)
		put(i, 1, 1);
	ck_assert_int_eq(ledger_sync(l), 0);
	ledger_stats(l, &st);
	ck_assert_uint_eq(st.events, 20000);
	ck_assert_uint_lt(st.commits, 2000);
	ck_assert_uint_eq(st.queued_bytes, 0);
	ck_assert_int_eq(st.error, 0);
}
END_TEST

static void *put_many(void *arg)
{
	uint64_t first = *(uint64_t *)arg;

	for (uint64_t i = 0; i < PER_THREAD; i++) {
		put(first + i, 1, 1);
		ledger_file_size(l, first + i, 2);
		if (i % 2)
			ledger_file_gone(l, first + i);
	}
	return NULL;
}

START_TEST(nothing_is_lost_when_threads_fill_the_queue)
{
	pthread_t threads[NTHREADS];
	uint64_t first[NTHREADS];
	uint64_t files, bytes;
	struct ledger_stats st;

	for (uint64_t i = 0; i < NTHREADS; i++) {
		first[i] = 1 + i * 1000000;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_many, &first[i]), 0);
	}
	for (int i = 0; i < NTHREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(ledger_usage(l, 1, &files, &bytes), 0);
	ck_assert_uint_eq(files, NTHREADS * PER_THREAD / 2);
	ck_assert_uint_eq(bytes, NTHREADS * PER_THREAD);
	ledger_stats(l, &st);
	ck_assert_uint_eq(st.events, NTHREADS * PER_THREAD * 5 / 2);
}
END_TEST

START_TEST(events_queued_at_the_end_are_applied)
{
	put(1, 1, 1);
	ledger_free(l);
	l = fixture_open(LEDGER_UNCLEAN);
	ck_assert_uint_eq(nfiles(1), 1);
}
END_TEST

START_TEST(log_is_emptied_while_running_and_at_the_end)
{
	_cleanup_free_ char *wal = NULL;
	struct stat st;

	ck_assert_int_gt(asprintf(&wal, "%s-wal", fixture_path), 0);
	for (uint64_t i = 1; i <= 100000; i++) {
		put(i, i / 10, 1);
		if (i % 5000 == 0)
			ck_assert_int_eq(ledger_sync(l), 0);
	}
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_int_lt(st.st_size, 16 << 20);
	ledger_free(l);
	ck_assert_int_lt(stat(wal, &st), 0);
	l = fixture_open(LEDGER_UNCLEAN);
}
END_TEST

START_TEST(history_is_cut_to_its_maximum)
{
	for (uint64_t i = 1; i <= LEDGER_HISTORY_MAX + 1000; i++) {
		struct ledger_release r = fixture_release(0, "_");

		ledger_release(l, &r);
	}
	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM release"), LEDGER_HISTORY_MAX);
	ck_assert_int_eq(fixture_ask("SELECT min(seq) FROM release"), 1001);
}
END_TEST

/* ---- a database that somebody else writes to ---- */

START_TEST(locked_database_is_tried_again)
{
	struct ledger_stats st;
	sqlite3 *db;
	int r;

	ck_assert_int_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	put(1, 1, 1);
	ck_assert_int_eq(ledger_sync(l), -EBUSY);
	ledger_stats(l, &st);
	ck_assert_int_eq(st.error, -EBUSY);
	ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	do
		r = ledger_sync(l);
	while (r == -EBUSY);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(nfiles(1), 1);
	ledger_stats(l, &st);
	ck_assert_int_eq(st.error, 0);
}
END_TEST

/* ---- a disk that is full: a small tmpfs ---- */

static bool small_disk;

/* In a mount namespace of our own: it goes with the process, however that ends. */
static int mount_small_disk(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (mount("test_writer", fixture_dir, "tmpfs", 0, "size=4m") < 0)
		return -errno;
	return 0;
}

static void setup_small_disk(void)
{
	fixture_setup();
	small_disk = mount_small_disk() == 0;
	l = fixture_open(LEDGER_NEW);
	fixture_reconcile(l);
}

static void teardown_small_disk(void)
{
	ledger_free(l);
	if (small_disk)
		ck_assert_int_eq(umount(fixture_dir), 0);
	fixture_teardown();
}

static char *filler_name(void)
{
	char *name;

	ck_assert_int_gt(asprintf(&name, "%s/filler", fixture_dir), 0);
	return name;
}

static void fill_disk(void)
{
	_cleanup_free_ char *name = filler_name();
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char block[4096];

	ck_assert_int_ge(fd, 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
}

static void make_room(void)
{
	_cleanup_free_ char *name = filler_name();

	ck_assert_int_eq(unlink(name), 0);
}

/* As root only: a mount is needed. */
#define NEED_SMALL_DISK()                                                                          \
	do {                                                                                       \
		if (!small_disk) {                                                                 \
			(void)fprintf(stderr, "%s: skipped, cannot mount\n", __func__);            \
			return;                                                                    \
		}                                                                                  \
	} while (0)

START_TEST(full_disk_is_tried_again_until_there_is_room)
{
	struct ledger_stats st;
	int r;

	NEED_SMALL_DISK();
	put(1, 2, 7);
	ck_assert_int_eq(ledger_sync(l), 0);
	fill_disk();
	for (uint64_t i = 1; i <= 10000; i++)
		put(i, 1, 1);
	ck_assert_int_eq(ledger_sync(l), -ENOSPC);
	ck_assert_int_eq(ledger_sync(l), -ENOSPC);
	ledger_stats(l, &st);
	ck_assert_int_eq(st.error, -ENOSPC);
	ck_assert_uint_gt(st.queued_bytes, 0);
	ck_assert_uint_eq(nfiles(1), 0); /* questions are still answered */
	ck_assert_uint_eq(nfiles(2), 1);

	make_room();
	do
		r = ledger_sync(l);
	while (r == -ENOSPC);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(nfiles(1), 10000);
	ck_assert_uint_eq(nfiles(2), 0);
	ledger_stats(l, &st);
	ck_assert_int_eq(st.error, 0);
	ck_assert_uint_eq(st.queued_bytes, 0);
}
END_TEST

/* `seen` before `activity` in a batch that is rolled back: applied again in the same order. */
START_TEST(reconcile_survives_a_batch_that_is_tried_again)
{
	int r;

	NEED_SMALL_DISK();
	put(1000000, 5, 1);
	ck_assert_int_eq(ledger_sync(l), 0);
	fill_disk();
	ledger_reconcile_begin(l);
	for (uint64_t i = 1; i <= 10000; i++) {
		struct ledger_file f = fixture_file(i, 1, 1);

		ledger_reconcile_seen(l, &f);
		ledger_file_gone(l, i % 100 == 0 ? i : 0);
		ledger_file_move(l, i, 2);
	}
	ledger_reconcile_end(l);
	ck_assert_int_eq(ledger_sync(l), -ENOSPC);
	make_room();
	do
		r = ledger_sync(l);
	while (r == -ENOSPC);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(nfiles(1), 0);
	ck_assert_uint_eq(nfiles(2), 9900);
	ck_assert_uint_eq(nfiles(5), 0);
}
END_TEST

START_TEST(closing_on_a_full_disk_ends_and_is_unclean)
{
	NEED_SMALL_DISK();
	fill_disk();
	for (uint64_t i = 1; i <= 10000; i++)
		put(i, 1, 1);
	ledger_free(l);
	make_room();
	l = fixture_open(LEDGER_UNCLEAN);
}
END_TEST

/* ---- SIGKILL ---- */

#define FILES_PER_EXECUTION 4

/* Executions with their files, some released, without end; a byte to stdout for each thousand. */
static int load_until_killed(const char *path)
{
	struct ledger_open_result result;

	if (ledger_open(path, NULL, &l, &result) < 0)
		return 1;
	ledger_reconcile_begin(l);
	ledger_reconcile_end(l);
	for (uint64_t number = 1;; number++) {
		struct ledger_execution e = {
			.number = number,
			.id = "load",
		};

		ledger_execution_put(l, &e);
		for (uint64_t i = 0; i < FILES_PER_EXECUTION; i++)
			put(number * FILES_PER_EXECUTION + i, number, 10);
		if (number > 100 && number % 2) {
			struct ledger_release r = { .number = number - 100, .id = "load" };

			ledger_release(l, &r);
		}
		if (number % 1000 == 0 && (ledger_sync(l) < 0 || write(STDOUT_FILENO, "", 1) != 1))
			return 1;
	}
}

START_TEST(killed_under_load_leaves_a_consistent_ledger)
{
	struct ledger_open_result result;
	char bytes[4];
	size_t n = 0;
	int fd, status;
	pid_t pid;

	ledger_free(l);
	pid = fixture_spawn("load", &fd);
	while (n < sizeof(bytes)) {
		ck_assert_int_eq(read(fd, bytes, 1), 1);
		n++;
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	(void)close(fd);

	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), 0);
	ck_assert_int_eq(result.state, LEDGER_UNCLEAN);
	ck_assert_int_gt(fixture_ask("SELECT max(number) FROM execution"), 3999);
	ck_assert_uint_gt(result.next_number,
			  (uint64_t)fixture_ask("SELECT max(number) FROM execution") + 1);
	/* A prefix of the events: no file without its execution; all but the last are complete. */
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM file WHERE execution NOT IN"
				     " (SELECT number FROM execution)"),
			 0);
	ck_assert_int_le(fixture_ask("SELECT count(*) FROM execution AS e WHERE 4 <>"
				     " (SELECT count(*) FROM file WHERE execution = e.number)"),
			 1);
	ck_assert_int_eq(fixture_ask("SELECT count(*) FROM execution WHERE number IN"
				     " (SELECT number FROM release)"),
			 0);
}
END_TEST

static TCase *case_writer(void)
{
	TCase *tc = tcase_create("writer");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sync_makes_events_visible);
	tcase_add_test(tc, many_events_share_a_commit);
	tcase_add_test(tc, nothing_is_lost_when_threads_fill_the_queue);
	tcase_add_test(tc, events_queued_at_the_end_are_applied);
	tcase_add_test(tc, log_is_emptied_while_running_and_at_the_end);
	tcase_add_test(tc, history_is_cut_to_its_maximum);
	tcase_add_test(tc, locked_database_is_tried_again);
	tcase_add_test(tc, killed_under_load_leaves_a_consistent_ledger);
	return tc;
}

static TCase *case_full_disk(void)
{
	TCase *tc = tcase_create("full disk");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_small_disk, teardown_small_disk);
	tcase_add_test(tc, full_disk_is_tried_again_until_there_is_room);
	tcase_add_test(tc, reconcile_survives_a_batch_that_is_tried_again);
	tcase_add_test(tc, closing_on_a_full_disk_ends_and_is_unclean);
	return tc;
}

int main(int argc, char **argv)
{
	Suite *s;

	if (argc == 3 && strcmp(argv[1], "load") == 0)
		return load_until_killed(argv[2]);
	s = suite_create("writer");
	suite_add_tcase(s, case_writer());
	suite_add_tcase(s, case_full_disk());
	return run_suite(s);
}
