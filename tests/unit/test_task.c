/* SPDX-License-Identifier: MIT */
/*
 * What is under way, as others see it.
 */
#include "util/task.h"

#include "unit.h"

static struct tasks tasks;

START_TEST(a_task_is_seen_from_its_begin_to_its_end)
{
	struct task_view v;
	struct task *t = task_begin(&tasks, "check", "files", 10);

	task_add(t, 3);
	task_add(t, 4);
	ck_assert(task_look(&tasks, 0, &v));
	ck_assert_str_eq(v.name, "check");
	ck_assert_str_eq(v.unit, "files");
	ck_assert_uint_eq(v.done, 7);
	ck_assert_uint_eq(v.whole, 10);
	ck_assert_int_ge(v.took_ns, 0);
	task_end(t);
	ck_assert(!task_look(&tasks, 0, &v));
}
END_TEST

START_TEST(a_place_begins_anew)
{
	struct task_view v;
	struct task *t = task_begin(&tasks, "check", "files", 10);

	task_add(t, 7);
	task_end(t);
	t = task_begin(&tasks, "unused", "contents", 0);
	ck_assert(task_look(&tasks, 0, &v));
	ck_assert_str_eq(v.name, "unused");
	ck_assert_uint_eq(v.done, 0);
	ck_assert_uint_eq(v.whole, 0);
	task_end(t);
}
END_TEST

START_TEST(what_finds_no_place_goes_on_untold)
{
	struct task *all[TASKS_MAX];
	struct task_view v;

	for (int i = 0; i < TASKS_MAX; i++) {
		all[i] = task_begin(&tasks, "check", "files", 1);
		ck_assert_ptr_nonnull(all[i]);
	}
	ck_assert_ptr_null(task_begin(&tasks, "check", "files", 1));
	ck_assert_ptr_null(task_begin(NULL, "check", "files", 1));
	task_add(NULL, 1);
	task_end(NULL);
	task_end(all[3]);
	ck_assert(!task_look(&tasks, 3, &v));
	ck_assert_ptr_eq(task_begin(&tasks, "check", "files", 1), all[3]);
	for (int i = 0; i < TASKS_MAX; i++)
		task_end(all[i]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_task_is_seen_from_its_begin_to_its_end,
		a_place_begins_anew,
		what_finds_no_place_goes_on_untold,
	};

	return RUN_TESTS("task", tests, NULL, NULL);
}
