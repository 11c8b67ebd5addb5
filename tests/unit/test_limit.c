/* SPDX-License-Identifier: MIT */
/*
 * Limits of an execution: all or nothing, or what is left; and who has none.
 */
#include "exec/limit.h"

#include <errno.h>

#include "exec_fixture.h"

static struct execution *e;

static void setup(void)
{
	exec_setup();
	stop_layers();
	fix.config.limits = (struct exec_limits){ .bytes = 1000, .files = 2 };
	start_layers();
	e = with_dir("1");
}

static void teardown(void)
{
	exec_unref(fix.execs, e);
	exec_teardown();
}

START_TEST(all_or_nothing)
{
	ck_assert_int_eq(exec_take(fix.execs, e, 1, 600), 0);
	ck_assert_int_eq(exec_take(fix.execs, e, 1, 401), -EDQUOT);
	ck_assert_int_eq(exec_take(fix.execs, e, 2, 0), -EDQUOT);
	ck_assert_uint_eq(e->files, 1);
	ck_assert_uint_eq(size_sum_get(&e->bytes), 600);
	ck_assert(!exec_is_spent(fix.execs, e));
	ck_assert_int_eq(exec_take(fix.execs, e, 1, 400), 0);
	ck_assert(exec_is_spent(fix.execs, e));
	exec_account(e, -1, -400);
	ck_assert(!exec_is_spent(fix.execs, e));
}
END_TEST

START_TEST(as_much_as_there_is)
{
	ck_assert_uint_eq(exec_take_some(fix.execs, e, 700, false), 700);
	ck_assert_uint_eq(exec_take_some(fix.execs, e, 700, true), 300);
	ck_assert_uint_eq(exec_take_some(fix.execs, e, 1, false), 0);
	ck_assert_uint_eq(size_sum_get(&e->bytes), 700);
	ck_assert_uint_eq(size_sum_get(&e->nameless_bytes), 300);
	exec_account_nameless(e, -300);
	ck_assert_uint_eq(exec_take_some(fix.execs, e, 700, false), 300);
}
END_TEST

/* The sums from before the start come later, so at first there may be less than nothing. */
START_TEST(less_than_nothing_is_no_room_more)
{
	exec_account(e, -5, -5000);
	ck_assert_int_eq(exec_take(fix.execs, e, 3, 0), -EDQUOT);
	ck_assert_int_eq(exec_take(fix.execs, e, 0, 1001), -EDQUOT);
	ck_assert_int_eq(exec_take(fix.execs, e, 2, 1000), 0);
}
END_TEST

/* Sparse files: two of them have more than an int64_t holds. */
START_TEST(more_than_can_be_told_is_over_the_limit)
{
	struct exec_info info;

	for (int i = 0; i < 3; i++) {
		exec_account(e, 1, INT64_MAX);
		ck_assert(exec_is_spent(fix.execs, e));
		exec_info(fix.execs, e, &info);
		ck_assert_uint_eq(info.bytes, INT64_MAX);
	}
	ck_assert_int_eq(exec_take(fix.execs, e, 0, 1), -EDQUOT);
	for (int i = 0; i < 3; i++) {
		ck_assert(exec_is_spent(fix.execs, e));
		exec_account(e, -1, -INT64_MAX);
	}
	ck_assert_int_eq(exec_take(fix.execs, e, 0, 1000), 0);
	exec_account_nameless(e, INT64_MAX);
	ck_assert(exec_is_spent(fix.execs, e));
	exec_account_nameless(e, -INT64_MAX);
	exec_account(e, 0, -1000);
	ck_assert(!exec_is_spent(fix.execs, e));
}
END_TEST

START_TEST(others_have_none)
{
	struct execution *others = exec_get(fix.execs, RULE_OTHER, LIFETIME_FILES);
	struct execution *external = exec_get(fix.execs, "1", LIFETIME_EXTERNAL);
	struct exec_info info;

	ck_assert_int_eq(exec_take(fix.execs, others, 1000, 1000000), 0);
	ck_assert(!exec_is_spent(fix.execs, others));
	exec_info(fix.execs, others, &info);
	ck_assert_uint_eq(info.limits.bytes, 0);
	ck_assert_int_eq(exec_take(fix.execs, external, 3, 0), -EDQUOT);
	exec_info(fix.execs, e, &info);
	ck_assert_uint_eq(info.limits.bytes, 1000);
	exec_unref(fix.execs, others);
	exec_unref(fix.execs, external);
}
END_TEST

START_TEST(changed_while_in_use)
{
	struct exec_limits limits = { .bytes = 500, .files = 50, .strict = true };

	ck_assert_int_eq(exec_take(fix.execs, e, 2, 600), 0);
	ck_assert_int_eq(exec_tune(fix.execs, fix.config.ttl_ns, &limits), 0);
	ck_assert(exec_is_spent(fix.execs, e)); /* it has more than it may: it keeps it */
	ck_assert_int_eq(exec_take(fix.execs, e, 0, 1), -EDQUOT);
	ck_assert_int_eq(exec_take(fix.execs, e, 100, 0), -EDQUOT);
	exec_account(e, 0, -600);
	ck_assert_int_eq(exec_take(fix.execs, e, 40, 500), 0);
	ck_assert(!exec_default_limits(fix.execs).strict);
	limits = (struct exec_limits){ 0 };
	ck_assert_int_eq(exec_tune(fix.execs, fix.config.ttl_ns, &limits), 0);
	ck_assert_int_eq(exec_take(fix.execs, e, 1, 1 << 30), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_or_nothing,	  as_much_as_there_is,	less_than_nothing_is_no_room_more,
		others_have_none, changed_while_in_use, more_than_can_be_told_is_over_the_limit,
	};

	return RUN_TESTS("limit", tests, setup, teardown);
}
