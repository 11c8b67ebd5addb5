/* SPDX-License-Identifier: MIT */
/*
 * Reconcile: what a walk reports, what events say meanwhile, and which of them counts. Every test
 * starts with a new ledger; the order of calls is the order of application.
 */
#include "ledger_fixture.h"

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

static void seen(uint64_t ino, uint64_t execution, uint64_t size)
{
	struct ledger_file f = fixture_file(ino, execution, size);

	ledger_reconcile_seen(l, &f);
}

static void check_usage(uint64_t execution, uint64_t files, uint64_t bytes)
{
	uint64_t nfiles, nbytes;

	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(ledger_usage(l, execution, &nfiles, &nbytes), 0);
	ck_assert_uint_eq(nfiles, files);
	ck_assert_uint_eq(nbytes, bytes);
}

START_TEST(seen_file_without_a_row_gets_one)
{
	ledger_reconcile_begin(l);
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 1, 10);
}
END_TEST

START_TEST(row_without_a_file_goes)
{
	put(1, 5, 10);
	put(2, 5, 20);
	ledger_reconcile_begin(l);
	seen(2, 5, 20);
	check_usage(5, 2, 30);
	ledger_reconcile_end(l);
	check_usage(5, 1, 20);
}
END_TEST

START_TEST(seen_corrects_an_old_row)
{
	put(1, 5, 10);
	ledger_reconcile_begin(l);
	seen(1, 6, 11);
	ledger_reconcile_end(l);
	check_usage(5, 0, 0);
	check_usage(6, 1, 11);
}
END_TEST

START_TEST(late_seen_does_not_bring_back_a_file_that_is_gone)
{
	put(1, 5, 10);
	ledger_reconcile_begin(l);
	ledger_file_gone(l, 1);
	ledger_file_gone(l, 2); /* the ledger had no row of it */
	seen(1, 5, 10);
	seen(2, 5, 10);
	ledger_file_size(l, 1, 9); /* the last close of an unlinked file */
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 0, 0);
}
END_TEST

START_TEST(inode_number_used_again_is_kept)
{
	ledger_reconcile_begin(l);
	ledger_file_gone(l, 1);
	put(1, 7, 70);
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 0, 0);
	check_usage(7, 1, 70);
}
END_TEST

START_TEST(seen_does_not_overwrite_newer_events)
{
	put(2, 5, 1);
	put(3, 5, 1);
	ledger_reconcile_begin(l);
	put(1, 6, 100);
	ledger_file_size(l, 2, 200);
	ledger_file_move(l, 3, 6);
	seen(1, 5, 10);
	seen(2, 5, 10);
	seen(3, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 1, 200);
	check_usage(6, 2, 110);
}
END_TEST

START_TEST(events_about_a_file_without_a_row_count_when_it_is_seen)
{
	ledger_reconcile_begin(l);
	ledger_file_size(l, 1, 500);
	ledger_file_move(l, 1, 8);
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 0, 0);
	check_usage(8, 1, 500);
}
END_TEST

START_TEST(events_after_seen_count)
{
	ledger_reconcile_begin(l);
	seen(1, 5, 10);
	seen(2, 5, 10);
	seen(3, 5, 10);
	ledger_file_size(l, 1, 11);
	ledger_file_gone(l, 2);
	ledger_file_move(l, 3, 6);
	seen(3, 5, 10); /* another name of it */
	ledger_reconcile_end(l);
	check_usage(5, 1, 11);
	check_usage(6, 1, 10);
}
END_TEST

START_TEST(file_named_by_an_event_only_is_kept)
{
	put(1, 5, 10);
	put(2, 5, 20);
	put(3, 5, 30);
	ledger_reconcile_begin(l);
	ledger_file_size(l, 1, 11);
	ledger_file_move(l, 2,
			 6); /* out of a directory before the walk came, into one it had left */
	ledger_reconcile_end(l);
	check_usage(5, 1, 11);
	check_usage(6, 1, 20);
}
END_TEST

START_TEST(released_execution_stays_gone)
{
	struct ledger_execution e = fixture_execution(5, "5");
	struct ledger_release r = fixture_release(5, "5");
	int n = 0;

	ledger_execution_put(l, &e);
	put(1, 5, 10);
	put(2, 4, 20);
	ledger_reconcile_begin(l);
	ledger_file_move(l, 2, 5);
	ledger_file_move(l, 3, 5); /* no row yet */
	ledger_release(l, &r);
	seen(1, 5, 10);
	seen(2, 4, 20); /* where the walk met it */
	seen(3, 4, 30);
	seen(4, 5, 40);
	ledger_reconcile_end(l);
	check_usage(5, 0, 0);
	check_usage(4, 0, 0);
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(file_moved_out_before_the_release_is_kept)
{
	struct ledger_release r = fixture_release(5, "5");

	put(1, 5, 10);
	ledger_reconcile_begin(l);
	ledger_file_move(l, 1, 6);
	ledger_file_move(l, 2, 6); /* no row yet */
	ledger_release(l, &r);
	seen(1, 5, 10);
	seen(2, 5, 20);
	ledger_reconcile_end(l);
	check_usage(6, 2, 30);
}
END_TEST

START_TEST(restored_execution_is_seen_again)
{
	struct ledger_execution e = fixture_execution(5, "5");
	struct ledger_release r = fixture_release(5, "5");

	ledger_reconcile_begin(l);
	ledger_release(l, &r);
	ledger_execution_put(l, &e);
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 1, 10);
}
END_TEST

START_TEST(second_begin_starts_over)
{
	ledger_reconcile_begin(l);
	ledger_file_gone(l, 1);
	seen(2, 5, 20);
	ledger_reconcile_begin(l);
	seen(1, 5, 10);
	ledger_reconcile_end(l);
	check_usage(5, 1, 10);
}
END_TEST

START_TEST(seen_and_end_without_begin_are_ignored)
{
	put(1, 5, 10);
	seen(2, 5, 20);
	ledger_reconcile_end(l);
	check_usage(5, 1, 10);
	fixture_reconcile(l);
	check_usage(5, 0, 0);
	seen(2, 5, 20);
	check_usage(5, 0, 0);
}
END_TEST

static int take_activity(void *arg, const struct ledger_file *f)
{
	*(int64_t *)arg = f->activity_ns;
	return 0;
}

/* The activity of the file's row after a walk has seen `f`. */
static int64_t activity_seen(const struct ledger_file *f)
{
	int64_t activity = 0;

	ledger_reconcile_begin(l);
	ledger_reconcile_seen(l, f);
	ledger_reconcile_end(l);
	ck_assert_int_eq(ledger_sync(l), 0);
	ck_assert_int_eq(ledger_each_expired_file(l, INT64_MAX, 1, 9, take_activity, &activity), 0);
	return activity;
}

/* Else it would live as long again after each crash. */
START_TEST(activity_of_the_row_counts)
{
	struct ledger_file f = fixture_file(1, 5, 10);

	f.own_lifetime = true;
	f.activity_ns = 5000;
	ledger_file_put(l, &f);
	f.activity_ns = 9000;
	ck_assert_int_eq(activity_seen(&f), 5000);
	f.activity_ns = 4000;
	ck_assert_int_eq(activity_seen(&f), 5000);
}
END_TEST

START_TEST(activity_of_another_file_does_not_count)
{
	struct ledger_file f = fixture_file(1, 5, 10);

	f.own_lifetime = true;
	f.activity_ns = 5000;
	ledger_file_put(l, &f);
	f.handle[0]++; /* the number is used again */
	f.activity_ns = 6000;
	ck_assert_int_eq(activity_seen(&f), 6000);
	f.ttl_ns = 1; /* set since */
	f.activity_ns = 7000;
	ck_assert_int_eq(activity_seen(&f), 7000);
}
END_TEST

/* ---- what it means for the next open ---- */

static void reopen(enum ledger_state state)
{
	ledger_free(l);
	l = fixture_open(state);
}

START_TEST(ledger_is_clean_only_after_a_reconcile)
{
	reopen(LEDGER_UNCLEAN);
	ledger_reconcile_begin(l);
	reopen(LEDGER_UNCLEAN);
	fixture_reconcile(l);
	reopen(LEDGER_CLEAN);
	reopen(LEDGER_CLEAN);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		seen_file_without_a_row_gets_one,
		row_without_a_file_goes,
		seen_corrects_an_old_row,
		late_seen_does_not_bring_back_a_file_that_is_gone,
		inode_number_used_again_is_kept,
		seen_does_not_overwrite_newer_events,
		events_about_a_file_without_a_row_count_when_it_is_seen,
		events_after_seen_count,
		file_named_by_an_event_only_is_kept,
		released_execution_stays_gone,
		file_moved_out_before_the_release_is_kept,
		restored_execution_is_seen_again,
		second_begin_starts_over,
		seen_and_end_without_begin_are_ignored,
		activity_of_the_row_counts,
		activity_of_another_file_does_not_count,
		ledger_is_clean_only_after_a_reconcile,
	};

	return RUN_TESTS("reconcile", tests, setup, teardown);
}
