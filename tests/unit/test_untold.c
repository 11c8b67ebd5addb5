/* SPDX-License-Identifier: MIT */
/*
 * Names that the kernel has not been told of: what one worker writes down, the next one finds.
 */
#include "fuse/untold.h"

#include <limits.h>
#include <string.h>

#include "unit.h"
#include "util/cleanup.h"

static struct keep *keep;
static struct untold *u;

static void setup(void)
{
	ck_assert_int_eq(keep_new(true, &keep), 0);
	ck_assert_int_eq(untold_new(keep, &u), 0);
}

static void teardown(void)
{
	untold_free(TAKE_PTR(u));
	keep_free(TAKE_PTR(keep));
}

static void next_worker(void)
{
	untold_free(TAKE_PTR(u));
	ck_assert_int_eq(untold_new(keep, &u), 0);
}

static unsigned int count(void)
{
	uint32_t note = 0;
	const char *name;
	uint64_t nodeid;
	unsigned int n = 0;

	while (untold_next(u, &note, &nodeid, &name))
		n++;
	return n;
}

START_TEST(what_is_left_is_found)
{
	char longest[NAME_MAX + 1];
	uint32_t a, b, note = 0;
	const char *name;
	uint64_t nodeid;

	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = '\0';
	a = untold_add(u, 1, "4711");
	b = untold_add(u, 1, "4712");
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(untold_add(u, 77, longest), 0);
	untold_told(u, b);
	untold_told(u, 0);
	next_worker();
	ck_assert_uint_eq(count(), 2);
	ck_assert(untold_next(u, &note, &nodeid, &name));
	ck_assert_uint_eq(note, a);
	ck_assert_uint_eq(nodeid, 1);
	ck_assert_str_eq(name, "4711");
	ck_assert(untold_next(u, &note, &nodeid, &name));
	ck_assert_uint_eq(nodeid, 77);
	ck_assert_str_eq(name, longest);
	untold_told(u, note);
	untold_told(u, a);
	ck_assert_uint_eq(count(), 0);
	ck_assert(!untold_overflowed(u));
}
END_TEST

START_TEST(no_room)
{
	for (unsigned int i = 0; i < UNTOLD_MAX; i++)
		ck_assert_uint_ne(untold_add(u, i + 2, "x"), 0);
	untold_told(u, 5);
	ck_assert_uint_eq(untold_add(u, 1, "y"), 5); /* places are used again */
	ck_assert_uint_eq(untold_add(u, 1, "z"), UNTOLD_OVER);
	next_worker();
	ck_assert_uint_eq(count(), UNTOLD_MAX);
	ck_assert(untold_overflowed(u));
	next_worker(); /* it was killed before it had the kernel ask */
	ck_assert(untold_overflowed(u));
	untold_doubted(u);
	ck_assert(!untold_overflowed(u));
	untold_told(u, 7);
	next_worker();
	ck_assert_uint_eq(untold_add(u, 1, "y"), 7);
}
END_TEST

START_TEST(what_had_no_room_and_is_told_is_over)
{
	for (unsigned int i = 0; i < UNTOLD_MAX; i++)
		ck_assert_uint_ne(untold_add(u, i + 2, "x"), UNTOLD_OVER);
	ck_assert_uint_eq(untold_add(u, 1, "y"), UNTOLD_OVER);
	ck_assert_uint_eq(untold_add(u, 1, "z"), UNTOLD_OVER);
	untold_told(u, UNTOLD_OVER);
	ck_assert(untold_overflowed(u));
	untold_told(u, UNTOLD_OVER);
	next_worker();
	ck_assert(!untold_overflowed(u));
}
END_TEST

START_TEST(without_a_next_worker_nothing_is_written)
{
	struct keep *own;
	struct untold *nothing;

	ck_assert_int_eq(keep_new(false, &own), 0);
	ck_assert_int_eq(untold_new(own, &nothing), 0);
	ck_assert_uint_eq(untold_add(nothing, 1, "x"), 0);
	untold_told(nothing, 0);
	ck_assert(!untold_overflowed(nothing));
	untold_free(nothing);
	keep_free(own);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_left_is_found,
		no_room,
		what_had_no_room_and_is_told_is_over,
		without_a_next_worker_nothing_is_written,
	};

	return RUN_TESTS("untold", tests, setup, teardown);
}
