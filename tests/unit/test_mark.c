/* SPDX-License-Identifier: MIT */
/*
 * Marks on files and directories, and marks that somebody else has written.
 */
#include "store/mark.h"

#include <sys/xattr.h>

#include "scratch.h"

static int open_path(const char *name)
{
	int fd = openat(scratch.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(what_is_set_is_read)
{
	static const int64_t values[] = { 0, 1, 90 * NS_PER_S, INT64_MAX };
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");

	for (enum mark m = 0; m < MARK_MAX_; m++) {
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			int64_t got = -1;

			ck_assert_int_eq(mark_set(fd, m, values[i]), 0);
			ck_assert_int_eq(mark_get(fd, m, &got), 0);
			ck_assert_int_eq(got, values[i]);
		}
	}
}
END_TEST

START_TEST(marks_do_not_touch_each_other)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");
	int64_t value = 77;

	ck_assert_int_eq(mark_set(fd, MARK_TTL, 5), 0);
	ck_assert_int_eq(mark_get(fd, MARK_PINNED, &value), -ENODATA);
	ck_assert_int_eq(value, 77);
	ck_assert_int_eq(mark_clear(fd, MARK_PINNED), 0); /* none is fine */
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), 0);
	ck_assert_int_eq(mark_clear(fd, MARK_TTL), 0);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), -ENODATA);
}
END_TEST

START_TEST(all_are_read_at_once)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char large[200];
	struct marks marks;

	ck_assert_int_eq(fchdir(scratch.fd), 0);
	ck_assert_int_eq(marks_read("d", &marks), 0);
	for (enum mark m = 0; m < MARK_MAX_; m++)
		ck_assert(!marks.has[m]);
	ck_assert_int_eq(mark_set(fd, MARK_TTL, INT64_MAX), 0);
	ck_assert_int_eq(mark_set(fd, MARK_AUTO, 5), 0);
	ck_assert_int_eq(lsetxattr("d", MARK_PREFIX "pinned", "x", 1, 0), 0);
	for (int i = 0; i < 5; i++) { /* a long list */
		(void)snprintf(large, sizeof(large), "trusted.%0150d", i);
		ck_assert_int_eq(lsetxattr("d", large, "", 0, 0), 0);
	}
	ck_assert_int_eq(marks_read("d", &marks), 0);
	ck_assert(marks.has[MARK_TTL] && marks.value[MARK_TTL] == INT64_MAX);
	ck_assert(marks.has[MARK_AUTO] && marks.value[MARK_AUTO] == 5);
	ck_assert(!marks.has[MARK_PINNED]); /* damaged */
	ck_assert_int_eq(marks_read("other", &marks), -ENOENT);
	ck_assert_int_eq(fchdir(before), 0);
	(void)close(before);
}
END_TEST

START_TEST(descriptors_without_access_will_do)
{
	_cleanup_close_ int fd = -1;
	int64_t value;

	add_file(scratch.fd, "f", "x");
	ck_assert_int_eq(fchmodat(scratch.fd, "f", 0, 0), 0);
	fd = open_path("f");
	ck_assert_int_eq(mark_set(fd, MARK_TTL, 5), 0);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), 0);
	ck_assert_int_eq(value, 5);
	ck_assert_int_eq(mark_clear(fd, MARK_TTL), 0);
}
END_TEST

START_TEST(mark_survives_a_rename)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");
	_cleanup_close_ int again = -1;
	int64_t value;

	ck_assert_int_eq(mark_set(fd, MARK_PINNED, 1), 0);
	ck_assert_int_eq(renameat(scratch.fd, "d", scratch.fd, "e"), 0);
	again = open_path("e");
	ck_assert_int_eq(mark_get(again, MARK_PINNED, &value), 0);
	ck_assert_int_eq(value, 1);
}
END_TEST

START_TEST(damaged_mark_is_invalid)
{
	static const char *const texts[] = {
		"",
		"x",
		"-1",
		"1 ",
		"1\n",
		" 1",
		"9223372036854775808",		  /* INT64_MAX + 1 */
		"999999999999999999999999999999", /* longer than any number */
	};
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");
	int64_t value = 77;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "ttl", texts[i], strlen(texts[i]), 0),
				 0);
		ck_assert_msg(mark_get(fd, MARK_TTL, &value) == -EINVAL, "'%s'", texts[i]);
		ck_assert_int_eq(value, 77);
	}
	ck_assert_int_eq(mark_set(fd, MARK_TTL, 3), 0);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), 0);
	ck_assert_int_eq(value, 3);
}
END_TEST

START_TEST(filesystem_without_attributes_says_so)
{
	_cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	int64_t value;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mark_set(fd, MARK_TTL, 1), -EOPNOTSUPP);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), -EOPNOTSUPP);
}
END_TEST

START_TEST(descriptors_are_given_back)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "d");
	int before = count_fds();

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(mark_set(fd, MARK_TTL, i), 0);
	ck_assert_int_eq(mark_clear(fd, MARK_TTL), 0);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(names_that_are_ours)
{
	ck_assert(mark_is_name("trusted.batonfs.ttl"));
	ck_assert(mark_is_name("trusted.batonfs.of-the-future"));
	ck_assert(!mark_is_name("trusted.batonf"));
	ck_assert(!mark_is_name("trusted.overlay.opaque"));
	ck_assert(!mark_is_name("user.batonfs.ttl"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_set_is_read,
		marks_do_not_touch_each_other,
		all_are_read_at_once,
		descriptors_without_access_will_do,
		mark_survives_a_rename,
		damaged_mark_is_invalid,
		filesystem_without_attributes_says_so,
		descriptors_are_given_back,
		names_that_are_ours,
	};

	return RUN_TESTS("mark", tests, scratch_setup, scratch_teardown);
}
