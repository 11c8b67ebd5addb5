/* SPDX-License-Identifier: MIT */
/*
 * What a worker and the guardian tell each other of an upgrade, and whether a program can go on with a keep.
 */
#include "takeover/handover.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/keep.h"
#include "unit.h"

static struct keep *keep;

static void setup(void)
{
	ck_assert_int_eq(keep_new(true, &keep), 0);
	worker_area(keep)->said_fd = -1;
}

static void teardown(void)
{
	keep_free(keep);
}

/* As the guardian answers all until the nth; NULL: it is done. */
static void answer(uint32_t n, const char *refused)
{
	struct worker_area *area = worker_area(keep);

	if (refused)
		(void)snprintf(area->reason.text, sizeof(area->reason.text), "%s", refused);
	else
		area->done = n;
	area->answered = n;
}

START_TEST(result_is_that_of_who_has_asked)
{
	struct handover_reason why;
	uint32_t first;
	uint32_t second;

	ck_assert_uint_eq(handover_asked(keep, 7), 0);
	first = handover_ask(keep, 7);
	ck_assert_uint_eq(handover_asked(keep, 7), first);
	ck_assert_uint_eq(handover_asked(keep, 8), 0);
	ck_assert_int_eq(handover_result(keep, first, &why), HANDOVER_UNDECIDED);
	second = handover_ask(keep, 8);
	answer(first, "no such file");
	ck_assert_int_eq(handover_result(keep, first, &why), HANDOVER_REFUSED);
	ck_assert_str_eq(why.text, "no such file");
	ck_assert_uint_eq(handover_asked(keep, 7), 0);
	ck_assert_uint_eq(handover_asked(keep, 8), second);
	ck_assert_int_eq(handover_result(keep, second, &why), HANDOVER_UNDECIDED);
	answer(second, NULL);
	ck_assert_int_eq(handover_result(keep, second, &why), HANDOVER_DONE);
	ck_assert_int_eq(handover_result(keep, handover_ask(keep, 0), &why), HANDOVER_UNDECIDED);
	ck_assert_uint_eq(handover_asked(keep, 0), 0);
}
END_TEST

START_TEST(another_program_finds_what_is_kept_if_the_format_is_its_own)
{
	char format[KEEP_FORMAT_MAX];
	struct keep *other;
	int fd = dup(keep_memory_fd(keep));

	keep_set_format(keep, "format 1");
	ck_assert_int_eq(keep_attach(fd, "format 2", format, &other), -EPROTONOSUPPORT);
	ck_assert_str_eq(format, "format 1");
	ck_assert_int_eq(keep_attach(fd, "format 1", format, &other), 0);
	(void)handover_ask(keep, 1);
	ck_assert_uint_eq(worker_area(other)->asked, 1);
	ck_assert(worker_area(other) != worker_area(keep));
	keep_free(other);
}
END_TEST

START_TEST(what_is_no_keep_is_none)
{
	char format[KEEP_FORMAT_MAX];
	struct keep *other;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(keep_attach(fds[0], "", format, &other), -EINVAL);
	ck_assert_int_eq(keep_attach(-1, "", format, &other), -EINVAL);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		result_is_that_of_who_has_asked,
		another_program_finds_what_is_kept_if_the_format_is_its_own,
		what_is_no_keep_is_none,
	};

	return RUN_TESTS("handover", tests, setup, teardown);
}
