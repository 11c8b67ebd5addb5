/* SPDX-License-Identifier: MIT */
/* Ranked mutexes: exclusion, scopes, waiting, and in builds with assertions the order of ranks. */
#include "util/lock.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "util/clock.h"

static struct lock low;
static struct lock high;

static void set_up(void)
{
	lock_init(&low, LOCK_INODE);
	lock_init(&high, LOCK_EXEC);
}

static void tear_down(void)
{
	lock_done(&high);
	lock_done(&low);
}

#define THREADS 4
#define ROUNDS 20000

static void *count_up(void *arg)
{
	int *counter = arg;

	for (int i = 0; i < ROUNDS; i++) {
		LOCK_SCOPE(&low);
		(*counter)++;
	}
	return NULL;
}

START_TEST(a_scope_excludes_other_threads)
{
	pthread_t threads[THREADS];
	int counter = 0;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &counter), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(counter, THREADS * ROUNDS);
}
END_TEST

START_TEST(a_scope_ends_with_its_block)
{
	{
		LOCK_SCOPE(&low);
		LOCK_SCOPE(&high);
	}
	lock_assert_none();
	ck_assert_int_eq(pthread_mutex_trylock(&low.mutex), 0);
	ck_assert_int_eq(pthread_mutex_trylock(&high.mutex), 0);
	ck_assert_int_eq(pthread_mutex_unlock(&high.mutex), 0);
	ck_assert_int_eq(pthread_mutex_unlock(&low.mutex), 0);
}
END_TEST

START_TEST(locks_are_dropped_in_any_order)
{
	lock_take(&low);
	lock_take(&high);
	lock_drop(&low);
	lock_drop(&high);
	lock_assert_none();
	lock_take(&low);
	lock_drop(&low);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
	int64_t deadline = clock_mono_ns() + 20 * NS_PER_MS;
	pthread_cond_t cond;

	lock_cond_init(&cond);
	{
		LOCK_SCOPE(&low);
		ck_assert_int_eq(lock_wait_until(&low, &cond, deadline), -ETIMEDOUT);
	}
	ck_assert(clock_mono_ns() >= deadline);
	ck_assert_int_eq(pthread_cond_destroy(&cond), 0);
}
END_TEST

struct flag {
	pthread_cond_t cond;
	bool set; /* low */
};

static void *set_flag(void *arg)
{
	struct flag *flag = arg;
	LOCK_SCOPE(&low);

	flag->set = true;
	(void)pthread_cond_signal(&flag->cond);
	return NULL;
}

START_TEST(a_waiter_lets_others_in_and_is_woken)
{
	struct flag flag = { .set = false };
	pthread_t thread;

	lock_cond_init(&flag.cond);
	{
		LOCK_SCOPE(&low);
		ck_assert_int_eq(pthread_create(&thread, NULL, set_flag, &flag), 0);
		while (!flag.set)
			lock_wait(&low, &flag.cond);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(pthread_cond_destroy(&flag.cond), 0);
}
END_TEST

#ifndef NDEBUG
static void take_falling(void)
{
	lock_take(&high);
	lock_take(&low);
}

static void take_equal(void)
{
	struct lock other;

	lock_init(&other, LOCK_INODE);
	lock_take(&low);
	lock_take(&other);
}

static void take_twice(void)
{
	lock_take(&low);
	lock_take(&low);
}

static void drop_untaken(void)
{
	lock_drop(&low);
}

static void reply_with_a_lock(void)
{
	lock_take(&low);
	lock_assert_none();
}

/* Each of these must end in a failed assertion; in a child of our own, as CK_FORK=no makes none. */
static void (*const mistakes[])(void) = {
	take_falling, take_equal, take_twice, drop_untaken, reply_with_a_lock,
};

START_TEST(a_mistake_fails_an_assertion)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)dup2(null, STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		mistakes[_i]();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("lock");
	TCase *tcase = tcase_create("lock");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_scope_excludes_other_threads);
	tcase_add_test(tcase, a_scope_ends_with_its_block);
	tcase_add_test(tcase, locks_are_dropped_in_any_order);
	tcase_add_test(tcase, a_wait_ends_at_its_deadline);
	tcase_add_test(tcase, a_waiter_lets_others_in_and_is_woken);
#ifndef NDEBUG
	tcase_add_loop_test(tcase, a_mistake_fails_an_assertion, 0,
			    (int)(sizeof(mistakes) / sizeof(mistakes[0])));
#endif
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
