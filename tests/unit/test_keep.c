/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors outlive a worker, and until when. In processes of their own, for all others are closed.
 */
#include "takeover/keep.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* More than the table begins with, and not all in one word of bits. */
#define MANY 200

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int open_one(void)
{
	return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
}

static void in_process(bool (*holds)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct keep *keep;

		_exit(keep_new(true, &keep) == 0 && holds() ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static bool each_as_it_was_named(void)
{
	int fds[MANY];
	bool fine = true;

	for (int i = 0; i < MANY; i++) {
		fds[i] = open_one();
		if (i % 3 == 0)
			keep_fd(fds[i]);
		else if (i % 3 == 1)
			keep_fd_idle(fds[i]);
	}
	fine &= keep_close_others() == 0;
	for (int i = 0; i < MANY; i++)
		fine &= is_open(fds[i]) == (i % 3 != 2);
	fine &= keep_close_left(1);
	fine &= !keep_close_left(MANY);
	for (int i = 0; i < MANY; i++)
		fine &= is_open(fds[i]) == (i % 3 == 0);
	return fine && is_open(STDOUT_FILENO);
}

START_TEST(kept_ones_stay_idle_ones_for_a_while_others_not)
{
	in_process(each_as_it_was_named);
}
END_TEST

static bool idle_no_more(void)
{
	int closed = open_one();
	int kept = open_one();

	keep_fd_idle(closed);
	keep_fd_idle_drop(closed);
	keep_fd_idle(kept);
	keep_fd(kept);
	return keep_close_others() == 0 && !is_open(closed) && !keep_close_left(MANY) &&
	       is_open(kept);
}

START_TEST(what_is_idle_no_more_is_closed_at_once_and_kept_ones_are_not_idle)
{
	in_process(idle_no_more);
}
END_TEST

static bool worker_after_worker(void)
{
	int before = open_one();
	int after;

	keep_fd_idle(before);
	if (keep_close_others() < 0)
		return false;
	after = open_one();
	keep_fd_idle(after);
	if (keep_close_others() < 0 || !is_open(before) || !is_open(after))
		return false;
	return !keep_close_left(MANY) && !is_open(before) && !is_open(after);
}

START_TEST(what_two_workers_left_is_closed_once)
{
	in_process(worker_after_worker);
}
END_TEST

static bool number_given_again(void)
{
	int fd = open_one();

	keep_fd_idle(fd);
	if (keep_close_others() < 0 || keep_close_left(1) ||
	    fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, fd) != fd)
		return false;
	return !keep_close_left(MANY) && is_open(fd) && keep_close_others() == 0 && !is_open(fd);
}

START_TEST(a_number_that_is_given_again_is_another_descriptor)
{
	in_process(number_given_again);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kept_ones_stay_idle_ones_for_a_while_others_not,
		what_is_idle_no_more_is_closed_at_once_and_kept_ones_are_not_idle,
		what_two_workers_left_is_closed_once,
		a_number_that_is_given_again_is_another_descriptor,
	};

	return RUN_TESTS("keep", tests, NULL, NULL);
}
