/* SPDX-License-Identifier: MIT */
/*
 * The reserve is there between the two, and is no more than a small part of the store.
 */
#include "store/reserve.h"

#include "scratch.h"

static uint64_t reserved(void)
{
	struct stat st;

	return fstatat(scratch.fd, "reserve", &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? 0
		       : (uint64_t)st.st_blocks * 512;
}

START_TEST(taken_and_given_up)
{
	struct store st = { .fd = scratch.fd };

	reserve_release(&st); /* none yet */
	reserve_take(&st);
	ck_assert_uint_ge(reserved(), RESERVE_BYTES_MIN);
	ck_assert_uint_le(reserved(), RESERVE_BYTES + 65536);
	reserve_take(&st);
	ck_assert_uint_le(reserved(), RESERVE_BYTES + 65536);
	reserve_release(&st);
	ck_assert_uint_eq(reserved(), 0);
}
END_TEST

START_TEST(memory_has_none)
{
	struct store st = { .fd = scratch.fd, .memory = true };

	reserve_take(&st);
	ck_assert_uint_eq(reserved(), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { taken_and_given_up, memory_has_none };

	return RUN_TESTS("reserve", tests, scratch_setup, scratch_teardown);
}
