/* SPDX-License-Identifier: MIT */
/*
 * Directory streams own their descriptors, from the first moment.
 */
#include "util/dir.h"

#include "scratch.h"

START_TEST(dot_and_dot_dot_only)
{
	ck_assert(dir_is_dot("."));
	ck_assert(dir_is_dot(".."));
	ck_assert(!dir_is_dot("..."));
	ck_assert(!dir_is_dot(".a"));
	ck_assert(!dir_is_dot("..a"));
	ck_assert(!dir_is_dot("a"));
	ck_assert(!dir_is_dot(""));
}
END_TEST

START_TEST(open_lists_the_directory)
{
	_cleanup_close_ int sub = make_dir(scratch.fd, "d");

	add_file(sub, "a", "");
	add_file(sub, "b", "");
	ck_assert_int_eq(count_entries(sub), 2);
	ck_assert_int_eq(count_entries(scratch.fd), 1);
}
END_TEST

START_TEST(open_refuses_what_is_no_directory)
{
	int before = count_fds();
	DIR *dir = NULL;

	add_file(scratch.fd, "f", "");
	ck_assert_int_eq(symlinkat(".", scratch.fd, "l"), 0);
	ck_assert_int_eq(dir_open(scratch.fd, "f", &dir), -ENOTDIR);
	ck_assert_int_eq(dir_open(scratch.fd, "l", &dir), -ENOTDIR);
	ck_assert_int_eq(dir_open(scratch.fd, "none", &dir), -ENOENT);
	ck_assert_ptr_null(dir);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(descriptor_is_closed_when_it_cannot_be_read)
{
	int before = count_fds();
	DIR *dir = NULL;

	ck_assert_int_eq(dir_from_fd(make_file(scratch.fd, "f", ""), &dir), -ENOTDIR);
	ck_assert_int_eq(dir_from_fd(-1, &dir), -EBADF);
	ck_assert_ptr_null(dir);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		dot_and_dot_dot_only,
		open_lists_the_directory,
		open_refuses_what_is_no_directory,
		descriptor_is_closed_when_it_cannot_be_read,
	};

	return RUN_TESTS("dir", tests, scratch_setup, scratch_teardown);
}
