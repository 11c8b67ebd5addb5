/* SPDX-License-Identifier: MIT */
/*
 * Which directories are taken to spill to, what becomes of what is in them, and that two do not take the same one.
 */
#include "store/spilldir.h"

#include "blob_fixture.h"

static struct store_error error;

static void path_of(char *path, size_t size)
{
	(void)snprintf(path, size, "%s/spill", scratch.path);
}

static int open_it(struct spilldir *ret)
{
	char path[128];

	path_of(path, sizeof(path));
	*ret = SPILLDIR_NONE;
	return spilldir_open(path, "/mnt/point", ret, &error);
}

static void expect_refused(int err, const char *text)
{
	struct spilldir d;

	ck_assert_int_eq(open_it(&d), err);
	ck_assert_msg(strstr(error.text, text), "%s", error.text);
	ck_assert_int_eq(d.fd, -1);
}

START_TEST(an_empty_one_becomes_ours_and_is_left_empty)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "spill");
	struct spilldir d;

	ck_assert_int_eq(fchmod(fd, 0755), 0);
	ck_assert_int_eq(open_it(&d), 0);
	ck_assert_uint_eq(stat_of(fd).st_mode & 07777, 0700);
	ck_assert_uint_eq(stat_of(d.blobs_fd).st_mode & 07777, 0700);
	ck_assert_str_eq(d.filesystem, "ext4");
	(void)close(make_file(d.blobs_fd, DIGITS "-7", "content"));
	spilldir_close(&d);
	ck_assert_int_eq(faccessat(fd, "blobs/" DIGITS "-7", F_OK, 0), -1);
	ck_assert_int_eq(faccessat(fd, "lock", F_OK, 0), 0);
	spilldir_close(&d); /* and again */
}
END_TEST

/* Only what has the name of a blob, and only where it is certain whose the directory is. */
START_TEST(what_an_earlier_one_left_goes)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "spill");
	struct spilldir d;

	ck_assert_int_eq(open_it(&d), 0);
	spilldir_close(&d);
	(void)close(make_file(fd, "blobs/" DIGITS "-7", "content"));
	(void)close(make_file(fd, "blobs/notes", "somebody's"));
	(void)close(make_file(fd, "more", "somebody's"));
	ck_assert_int_eq(open_it(&d), 0);
	ck_assert_int_eq(faccessat(fd, "blobs/" DIGITS "-7", F_OK, 0), -1);
	ck_assert_int_eq(faccessat(fd, "blobs/notes", F_OK, 0), 0);
	ck_assert_int_eq(faccessat(fd, "more", F_OK, 0), 0);
	spilldir_close(&d);
}
END_TEST

START_TEST(one_that_is_not_ours_is_refused_and_not_changed)
{
	_cleanup_close_ int fd = -1;
	mode_t mode;

	expect_refused(-ENOENT, "mkdir -p");
	(void)close(make_file(scratch.fd, "spill", ""));
	expect_refused(-ENOTDIR, "Not a directory");
	ck_assert_int_eq(unlinkat(scratch.fd, "spill", 0), 0);
	fd = make_dir(scratch.fd, "spill");
	ck_assert_int_eq(fchmod(fd, 0751), 0);
	mode = stat_of(fd).st_mode;
	(void)close(make_file(fd, DIGITS "-7", "content"));
	expect_refused(-ENOTEMPTY, "neither empty nor");
	ck_assert_int_eq(renameat(fd, DIGITS "-7", fd, "lock"), 0);
	expect_refused(-ENOTEMPTY, "is not of a directory");
	ck_assert_int_eq(unlinkat(fd, "lock", 0), 0);
	(void)close(make_file(fd, "lock", "batonfs store, format 2\n"));
	expect_refused(-ENOTEMPTY, "is not of a directory");
	ck_assert_int_eq(unlinkat(fd, "lock", 0), 0);
	(void)close(make_file(fd, "lock", "batonfs spill, format 2\n"));
	expect_refused(-EPROTONOSUPPORT, "newer");
	ck_assert_int_eq(unlinkat(fd, "lock", 0), 0);
	ck_assert_int_eq(fchown(fd, 1, 0), 0);
	expect_refused(-EPERM, "belongs to uid 1");
	ck_assert_uint_eq(stat_of(fd).st_mode, mode);
	ck_assert_int_eq(faccessat(fd, "blobs", F_OK, 0), -1);
}
END_TEST

START_TEST(one_in_use_says_by_whom)
{
	_cleanup_close_ int fd = make_dir(scratch.fd, "spill");
	_cleanup_free_ char *user = NULL;
	struct spilldir d;
	char path[128];

	path_of(path, sizeof(path));
	ck_assert_ptr_null(spilldir_user(path));
	ck_assert_int_eq(open_it(&d), 0);
	(void)close(make_file(d.blobs_fd, DIGITS "-7", "content"));
	expect_refused(-EBUSY, "in use by another");
	ck_assert_int_eq(faccessat(d.blobs_fd, DIGITS "-7", F_OK, 0), 0);
	user = spilldir_user(path);
	ck_assert_str_eq(user, "/mnt/point");
	spilldir_close(&d);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_empty_one_becomes_ours_and_is_left_empty,
		what_an_earlier_one_left_goes,
		one_that_is_not_ours_is_refused_and_not_changed,
		one_in_use_says_by_whom,
	};

	return RUN_TESTS("spilldir", tests, scratch_setup, scratch_teardown);
}
