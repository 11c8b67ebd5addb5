/* SPDX-License-Identifier: MIT */
/*
 * When a process counts as silent, and when it does not.
 */
#include "takeover/watch.h"

#include "scratch.h"

static struct watch watch;
static struct watch_counts counts;

static void setup(void)
{
	watch = (struct watch){ 0 };
	counts = (struct watch_counts){ 0 };
}

static void teardown(void)
{
}

static enum watch_says look(void)
{
	return watch_look(&watch, &counts);
}

START_TEST(answers_count)
{
	for (int i = 0; i < 3 * WATCH_LOOKS; i++) {
		counts.asked++;
		counts.answered++;
		ck_assert_int_eq(look(), WATCH_ANSWERED);
	}
}
END_TEST

START_TEST(nobody_asks_so_nothing_is_missing)
{
	counts.asked = counts.answered = 7;
	ck_assert_int_eq(look(), WATCH_ANSWERED);
	for (int i = 0; i < 3 * WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_IDLE);
}
END_TEST

START_TEST(no_answer_for_ten_looks_is_silence)
{
	counts.asked = 1;
	for (int i = 0; i < WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_WAITING);
	ck_assert_int_eq(look(), WATCH_SILENT);
}
END_TEST

START_TEST(others_that_are_answered_count_as_well)
{
	counts.asked = 1;
	for (int i = 0; i < 3 * WATCH_LOOKS; i++) {
		if (i % WATCH_LOOKS == 0)
			counts.others++;
		ck_assert_int_ne(look(), WATCH_SILENT);
	}
}
END_TEST

START_TEST(a_late_answer_ends_the_count)
{
	counts.asked = 1;
	for (int i = 0; i < WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_WAITING);
	counts.answered = 1;
	ck_assert_int_eq(look(), WATCH_ANSWERED);
	counts.asked = 2;
	for (int i = 0; i < WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_WAITING);
}
END_TEST

START_TEST(what_is_forgiven_is_counted_anew)
{
	counts.asked = 1;
	for (int i = 0; i < WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_WAITING);
	watch_forgive(&watch);
	for (int i = 0; i < WATCH_LOOKS; i++)
		ck_assert_int_eq(look(), WATCH_WAITING);
	ck_assert_int_eq(look(), WATCH_SILENT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		answers_count,
		nobody_asks_so_nothing_is_missing,
		no_answer_for_ten_looks_is_silence,
		others_that_are_answered_count_as_well,
		a_late_answer_ends_the_count,
		what_is_forgiven_is_counted_anew,
	};

	return RUN_TESTS("watch", tests, setup, teardown);
}
