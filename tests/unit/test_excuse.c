/* SPDX-License-Identifier: MIT */
/*
 * What excuses a process that answers nobody, and what does not.
 */
#include "takeover/excuse.h"

#include "scratch.h"
#include "util/clock.h"

static struct sight before;
static struct sight now;
static pid_t serving;
static pid_t hanging;
static pid_t looking;

static bool serves(void *ctx, pid_t tid)
{
	(void)ctx;
	return tid == serving;
}

static bool is_reader(void *ctx, const struct thread_state *thread)
{
	(void)ctx;
	return strcmp(thread->name, "reader") == 0;
}

static bool may_hang(void *ctx, pid_t tid)
{
	(void)ctx;
	return tid == hanging;
}

static const struct excuse_upcalls up = { .serves = serves,
					  .is_reader = is_reader,
					  .may_hang = may_hang };

/* One thread that waits for a lock, and one in `state` both times. */
static void setup_in(char state)
{
	before = (struct sight){
		.mono_ns = NS_PER_S,
		.count = 2,
		.threads = { { .tid = 1, .name = "reader", .state = 'S' },
			     { .tid = 2, .name = "reader", .state = state } },
	};
	now = before;
	now.mono_ns += 10 * NS_PER_S;
	serving = hanging = looking = 0;
}

static void setup(void)
{
	setup_in('S');
}

static void teardown(void)
{
}

static const char *find(void)
{
	return excuse_find(&before, &now, looking, &up);
}

START_TEST(who_waits_for_a_lock_has_none)
{
	ck_assert_ptr_null(find());
	setup_in('T'); /* somebody has stopped it */
	ck_assert_ptr_null(find());
}
END_TEST

START_TEST(a_thread_that_the_kernel_holds_is_one)
{
	setup_in('D');
	ck_assert_ptr_nonnull(find());
	now.threads[1].switches++; /* behind the requests, at a slow disk */
	ck_assert_ptr_null(find());
	serving = 2;
	ck_assert_ptr_nonnull(find());
	hanging = 2; /* for an answer of this process */
	ck_assert_ptr_null(find());
	setup_in('D');
	before.threads[1].state = 'S'; /* just now */
	ck_assert_ptr_null(find());
}
END_TEST

START_TEST(a_thread_without_a_cpu_is_one_and_a_loop_is_not)
{
	setup_in('R');
	ck_assert_ptr_nonnull(find());
	now.threads[1].switches++;
	now.threads[1].cpu_ticks = 49; /* half a second of ten */
	ck_assert_ptr_nonnull(find());
	now.threads[1].cpu_ticks = 51;
	ck_assert_ptr_null(find());
	setup_in('R');
	looking = 2;
	ck_assert_ptr_null(find());
	setup_in('R');
	now.threads[1].name[0] = 's'; /* "seal" has time while nothing is answered */
	ck_assert_ptr_null(find());
}
END_TEST

START_TEST(a_debugger_is_one_whatever_else)
{
	const char *held;

	setup_in('D');
	held = find();
	now.threads[1].traced = true;
	ck_assert_ptr_nonnull(find());
	ck_assert_ptr_ne(find(), held);
}
END_TEST

START_TEST(a_new_thread_is_none)
{
	setup_in('D');
	before.count = 1;
	ck_assert_ptr_null(find());
}
END_TEST

START_TEST(who_dies_is_held_by_the_kernel_or_not)
{
	ck_assert_ptr_null(excuse_of_dying(&now, &up));
	setup_in('D');
	ck_assert_ptr_nonnull(excuse_of_dying(&now, &up));
	hanging = 2;
	ck_assert_ptr_null(excuse_of_dying(&now, &up));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		who_waits_for_a_lock_has_none,
		a_thread_that_the_kernel_holds_is_one,
		a_thread_without_a_cpu_is_one_and_a_loop_is_not,
		a_debugger_is_one_whatever_else,
		a_new_thread_is_none,
		who_dies_is_held_by_the_kernel_or_not,
	};

	return RUN_TESTS("excuse", tests, setup, teardown);
}
