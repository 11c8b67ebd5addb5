/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors outlive a worker, and until when. In processes of their own, for all others are closed.
 */
#include "takeover/keep.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* More than the table begins with, and not all in one word of bits. */
#define MANY 200

/* A number that is free. */
#define FREE 900

static struct keep *keep;

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
	if (pid == 0)
		_exit(keep_new(true, &keep) == 0 && holds() ? EXIT_SUCCESS : EXIT_FAILURE);
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

static int open_text(const char *text)
{
	int fd = memfd_create("text", 0);

	return write(fd, text, strlen(text)) < 0 ? -1 : fd;
}

static bool has_text(int fd, const char *text)
{
	char buf[16] = "";

	return pread(fd, buf, sizeof(buf) - 1, 0) >= 0 && strcmp(buf, text) == 0;
}

/* Names a descriptor, whatever that was before. */
static void put_text(int fd, const char *text)
{
	int from = open_text(text);

	if (dup2(from, fd) != fd || close(from) < 0)
		_exit(EXIT_FAILURE);
}

/* What the worker of the program before does while another one is in the guardian's place. */
static void serve_on(int replaced, int closed, int out)
{
	put_text(replaced, "new");
	put_text(FREE, "opened");
	keep_fd(FREE);
	keep_fd_drop(closed);
	(void)close(closed);
	keep_fd(FREE + 1); /* it dies before it has opened that */
	(void)!write(out, "x", 1);
	for (;;)
		(void)pause();
}

static bool from_another_table(void)
{
	int same = open_text("same");
	int replaced = open_text("old");
	int closed = open_text("closed");
	int other = open_text("other");
	int said[2];
	bool fine;
	int pidfd;
	pid_t pid;
	char c;

	keep_fd(same);
	keep_fd(replaced);
	keep_fd(closed);
	pid = pipe(said) < 0 ? -1 : fork();
	if (pid == 0)
		serve_on(replaced, closed, said[1]);
	fine = pid > 0 && read(said[0], &c, 1) == 1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	put_text(FREE + 1, "another");

	fine &= keep_can_fetch_fds(keep, pidfd) && keep_fetch_fds(keep, pid, pidfd) == 0;
	fine &= has_text(same, "same") && has_text(replaced, "new") && has_text(FREE, "opened");
	fine &= !is_open(FREE + 1);
	keep_fd(pidfd); /* not there, and so it would have been closed as well */
	fine &= keep_close_others() == 0 && !is_open(closed) && !is_open(other) && is_open(FREE);

	keep_fd_drop(FREE + 1);
	(void)kill(pid, SIGKILL);
	fine &= waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT) == 0;
	fine &= !keep_can_fetch_fds(keep, pidfd) && keep_fetch_fds(keep, pid, pidfd) == -ESRCH;
	fine &= has_text(same, "same") && has_text(FREE, "opened");
	return fine && waitpid(pid, NULL, 0) == pid;
}

START_TEST(what_another_process_has_kept_is_had_from_there_as_long_as_it_lives)
{
	in_process(from_another_table);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kept_ones_stay_idle_ones_for_a_while_others_not,
		what_is_idle_no_more_is_closed_at_once_and_kept_ones_are_not_idle,
		what_two_workers_left_is_closed_once,
		a_number_that_is_given_again_is_another_descriptor,
		what_another_process_has_kept_is_had_from_there_as_long_as_it_lives,
	};

	return RUN_TESTS("keep", tests, NULL, NULL);
}
