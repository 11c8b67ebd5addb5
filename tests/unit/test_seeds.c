/* SPDX-License-Identifier: MIT */
/*
 * What a fuzzer once found, and what it began with: each file of tests/fuzz/seeds is fed to its target.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fuzz/fuzz_target.h"
#include "unit.h"
#include "util/cleanup.h"

static void feed_file(const struct fuzz_target *target, const char *path)
{
	_cleanup_free_ uint8_t *data = malloc(1 << 20);
	FILE *f = fopen(path, "re");
	size_t n;

	ck_assert_msg(f && data, "%s cannot be read", path);
	n = fread(data, 1, 1 << 20, f);
	ck_assert_int_eq(fclose(f), 0);
	target->feed(data, n);
}

START_TEST(seeds_are_taken)
{
	const struct fuzz_target *target = fuzz_target_at((size_t)_i);
	_cleanup_free_ char *folder = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int fed = 0;

	ck_assert_int_gt(asprintf(&folder, "%s/fuzz/seeds/%s", getenv("TESTS"), target->name), 0);
	dir = opendir(folder);
	ck_assert_msg(dir != NULL, "no %s", folder);
	while ((d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (d->d_name[0] == '.')
			continue;
		ck_assert_int_gt(asprintf(&path, "%s/%s", folder, d->d_name), 0);
		feed_file(target, path);
		fed++;
	}
	ck_assert_int_gt(fed, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("seeds");
	Suite *s = suite_create("seeds");
	int targets = 0;

	while (fuzz_target_at((size_t)targets))
		targets++;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, seeds_are_taken, 0, targets);
	return run_suite(s);
}
