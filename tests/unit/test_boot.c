/* SPDX-License-Identifier: MIT */
/*
 * What a store's directory says of the boot it was last used in.
 */
#include "store/boot.h"

#include <stdint.h>

#include "scratch.h"
#include "store/mark.h"
#include "util/clock.h"

START_TEST(same_from_the_second_time_on)
{
	ck_assert(!boot_is_same(scratch.fd));
	ck_assert(boot_is_same(scratch.fd));
	ck_assert(boot_is_same(scratch.fd));
}
END_TEST

START_TEST(another_boot_is_another)
{
	int64_t id;

	(void)boot_is_same(scratch.fd);
	ck_assert_int_eq(mark_get(scratch.fd, MARK_BOOT, &id), 0);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_BOOT, id ^ 1), 0);
	ck_assert(!boot_is_same(scratch.fd));
	ck_assert(boot_is_same(scratch.fd));
}
END_TEST

START_TEST(what_cannot_be_marked_is_never_the_same)
{
	ck_assert(!boot_is_same(-1));
	ck_assert(!boot_is_same(-1));
}
END_TEST

static void start_another_boot(void)
{
	int64_t id;

	ck_assert_int_eq(mark_get(scratch.fd, MARK_BOOT, &id), 0);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_BOOT, id ^ 1), 0);
}

START_TEST(time_is_the_wall_clocks_at_first)
{
	int64_t now = clock_ns(CLOCK_REALTIME);
	struct boot_time t;

	boot_time(scratch.fd, &t);
	ck_assert(!t.goes_on);
	ck_assert_int_eq(t.last_ns, 0);
	ck_assert_int_ge(t.base_ns + clock_mono_ns(), now);
	ck_assert_int_le(t.base_ns + clock_mono_ns(), clock_ns(CLOCK_REALTIME) + NS_PER_S);
}
END_TEST

START_TEST(time_goes_on_in_the_same_boot)
{
	struct boot_time t;

	boot_time(scratch.fd, &t);
	(void)boot_is_same(scratch.fd);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_EPOCH, 4711), 0);
	boot_note_time(scratch.fd, 5000);
	boot_time(scratch.fd, &t);
	ck_assert(t.goes_on);
	ck_assert_int_eq(t.base_ns, 4711);
}
END_TEST

START_TEST(what_was_noted_counts_once_in_another_boot)
{
	struct boot_time t;

	boot_time(scratch.fd, &t);
	(void)boot_is_same(scratch.fd);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_EPOCH, 4711), 0);
	boot_note_time(scratch.fd, 5000);
	start_another_boot();
	boot_time(scratch.fd, &t);
	ck_assert(!t.goes_on);
	ck_assert_int_eq(t.last_ns, 5000);
	ck_assert_int_ne(t.base_ns, 4711);

	/* Killed before the rows were moved, or after: */
	boot_time(scratch.fd, &t);
	ck_assert(!t.goes_on);
	ck_assert_int_eq(t.last_ns, 0);
}
END_TEST

START_TEST(what_was_not_told_is_a_break)
{
	struct boot_time t;

	boot_time(scratch.fd, &t);
	(void)boot_is_same(scratch.fd);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_EPOCH, 4711), 0);
	boot_note_untold(scratch.fd, 5000);
	for (int i = 0; i < 2; i++) { /* until it is in the ledger */
		boot_time(scratch.fd, &t);
		ck_assert(!t.goes_on);
		ck_assert_int_eq(t.base_ns, 4711);
		ck_assert_int_eq(t.last_ns, 5000);
	}
	boot_note_told(scratch.fd);
	boot_time(scratch.fd, &t);
	ck_assert(t.goes_on);

	/* It is nothing that is yet to come, nor of another boot. */
	boot_note_untold(scratch.fd, INT64_MAX);
	boot_time(scratch.fd, &t);
	ck_assert_int_le(t.last_ns, t.base_ns + clock_mono_ns());
	start_another_boot();
	boot_time(scratch.fd, &t);
	(void)boot_is_same(scratch.fd);
	boot_time(scratch.fd, &t);
	ck_assert(t.goes_on);
}
END_TEST

START_TEST(time_that_cannot_be_marked_begins_each_time)
{
	struct boot_time t;

	boot_time(-1, &t);
	ck_assert(!t.goes_on);
	ck_assert_int_eq(t.last_ns, 0);
	ck_assert_int_gt(t.base_ns, 0);
	boot_note_time(-1, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		same_from_the_second_time_on,
		another_boot_is_another,
		what_cannot_be_marked_is_never_the_same,
		time_is_the_wall_clocks_at_first,
		time_goes_on_in_the_same_boot,
		what_was_noted_counts_once_in_another_boot,
		what_was_not_told_is_a_break,
		time_that_cannot_be_marked_begins_each_time,
	};

	return RUN_TESTS("boot", tests, scratch_setup, scratch_teardown);
}
