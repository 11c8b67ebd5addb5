/* SPDX-License-Identifier: MIT */
/*
 * The main() of a test: one suite of one case.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <check.h>
#include <stdlib.h>

#include "util/macro.h"

/* How long a test may take, in seconds. Source: minutes on a very busy machine, under a sanitizer. */
#define UNIT_TIMEOUT_S 300

/* Runs it and lets it go. Returns the exit status. */
static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Each test between setup and teardown, which may be NULL. Returns the exit status. */
static inline int run_tests(const char *name, const TTest *const *tests, size_t n,
			    void (*setup)(void), void (*teardown)(void))
{
	TCase *tc = tcase_create(name);
	Suite *s = suite_create(name);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, UNIT_TIMEOUT_S);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	return run_suite(s);
}

#define RUN_TESTS(name, tests, setup, teardown)                                                    \
	run_tests(name, tests, ARRAY_SIZE(tests), setup, teardown)

#endif
