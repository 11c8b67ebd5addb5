/* SPDX-License-Identifier: MIT */
/*
 * Which memory is there before it is used.
 */
#include "takeover/warm.h"

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define PAGE 4096
#define PAGES 64

static const _Atomic int32_t go_on;
static const _Atomic int32_t stop = 1;

static long faults(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* Page by page. How many faults that are: but for a sanitizer's own, which notes each write. */
__attribute__((no_sanitize("address", "thread"))) static long write_all(uint8_t *p, size_t pages)
{
	long before = faults();

	for (size_t i = 0; i < pages; i++)
		((volatile uint8_t *)p)[i * PAGE]++;
	return faults() - before;
}

static uint8_t *map(int prot)
{
	void *p = mmap(NULL, PAGES * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	(void)madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
	return p;
}

/* In a process that has been forked, whose pages are another's until it writes to them. */
static void in_fork(const _Atomic int32_t *until, bool (*is_right)(long faults), uint8_t *p)
{
	pid_t pid;
	int status;

	warm_note();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		bool same = true;

		warm_process(until);
		for (size_t i = 0; i < PAGES; i++)
			same &= p[i * PAGE] == 7;
		_exit(same && is_right(write_all(p, PAGES)) ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static bool are_few(long n)
{
	return n < PAGES / 4;
}

static bool are_many(long n)
{
	return n >= PAGES / 2;
}

START_TEST(what_was_noted_is_there_after_a_fork)
{
	uint8_t *p = map(PROT_READ | PROT_WRITE);

	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE] = 7;
	in_fork(&go_on, are_few, p);
	in_fork(&stop, are_many, p);
	ck_assert_int_eq(munmap(p, PAGES * PAGE), 0);
}
END_TEST

START_TEST(what_may_not_be_touched_is_not)
{
	uint8_t *none = map(PROT_NONE);
	uint8_t *p = map(PROT_READ | PROT_WRITE);

	memset(p, 7, PAGES * PAGE);
	ck_assert_int_eq(mprotect(none + PAGE, PAGE, PROT_READ), 0);
	in_fork(&go_on, are_few, p);
	ck_assert_int_eq(munmap(p, PAGES * PAGE), 0);
	ck_assert_int_eq(munmap(none, PAGES * PAGE), 0);
}
END_TEST

START_TEST(what_is_kept_is_there_and_as_it_was)
{
	char format[KEEP_FORMAT_MAX];
	struct keep *keep;
	struct keep *other;
	uint8_t *inodes;
	size_t n;

	ck_assert_int_eq(keep_new(true, &keep), 0);
	keep_set_format(keep, "x");
	inodes = keep_area(keep, KEEP_INODES);
	ck_assert_int_eq(keep_commit(keep, inodes + 8L * PAGE, (size_t)PAGES * PAGE), 0);
	memset(inodes + 8L * PAGE, 7, (size_t)PAGES * PAGE);
	ck_assert_int_eq(keep_attach(dup(keep_memory_fd(keep)), "x", format, &other), 0);
	warm_keep(other, &go_on);
	inodes = keep_area(other, KEEP_INODES);
	ck_assert(are_few(write_all(inodes + 8L * PAGE, PAGES)));
	ck_assert_int_eq(inodes[8L * PAGE], 8);
	ck_assert_int_eq(inodes[8L * PAGE + 1], 7);
	/* Nothing has been written where nothing was. */
	ck_assert_ptr_eq(keep_find_written(other, inodes, keep_area_size(KEEP_INODES), &n),
			 inodes + 8L * PAGE);
	ck_assert_uint_eq(n, (size_t)PAGES * PAGE);
	keep_free(other);
	keep_free(keep);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_was_noted_is_there_after_a_fork,
		what_may_not_be_touched_is_not,
		what_is_kept_is_there_and_as_it_was,
	};

	return RUN_TESTS("warm", tests, NULL, NULL);
}
