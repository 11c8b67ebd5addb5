/* SPDX-License-Identifier: MIT */
/*
 * What a store's directory says of the boot it was last used in.
 */
#include "store/boot.h"

#include "scratch.h"
#include "store/mark.h"

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

int main(void)
{
	const TTest *const tests[] = {
		same_from_the_second_time_on,
		another_boot_is_another,
		what_cannot_be_marked_is_never_the_same,
	};

	return RUN_TESTS("boot", tests, scratch_setup, scratch_teardown);
}
