/* SPDX-License-Identifier: MIT */
/*
 * File handles: what they name, and what becomes of them.
 */
#include "store/handle.h"

#include <limits.h>
#include <sys/syscall.h>

#include "scratch.h"

/* The system call as the tests want it; linked before the C library's. */
static int refusals;
static int refusal;
static int asked;

int open_by_handle_at(int mount_fd, struct file_handle *h, int flags)
{
	asked++;
	if (refusals > 0) {
		refusals--;
		errno = refusal;
		return -1;
	}
	return (int)syscall(SYS_open_by_handle_at, mount_fd, h, flags);
}

START_TEST(handle_of_a_name_is_that_of_its_descriptor)
{
	_cleanup_close_ int fd = make_file(scratch.fd, "a", "x");
	struct handle by_name;
	struct handle by_fd;

	ck_assert_int_eq(handle_at(scratch.fd, "a", &by_name), 0);
	ck_assert_int_eq(handle_at(fd, "", &by_fd), 0);
	ck_assert(handle_equal(&by_name, &by_fd));
	ck_assert_uint_gt(by_name.len, 0);
	ck_assert_uint_le(by_name.len, HANDLE_MAX);
}
END_TEST

START_TEST(handle_names_the_link_not_its_target)
{
	struct handle link;
	struct handle target;
	struct stat st;
	int fd;

	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(symlinkat("a", scratch.fd, "l"), 0);
	ck_assert_int_eq(handle_at(scratch.fd, "l", &link), 0);
	ck_assert_int_eq(handle_at(scratch.fd, "a", &target), 0);
	ck_assert(!handle_equal(&link, &target));
	fd = handle_open(scratch.fd, &link, O_PATH | O_NOFOLLOW);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	(void)close(fd);
}
END_TEST

START_TEST(open_finds_the_inode_after_a_rename)
{
	struct handle h;
	struct stat st;
	uint64_t ino;
	int fd;

	add_file(scratch.fd, "a", "x");
	ino = ino_of(scratch.fd, "a");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	ck_assert_int_eq(renameat(scratch.fd, "a", scratch.fd, "b"), 0);
	fd = handle_open(scratch.fd, &h, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_ino, ino);
	(void)close(fd);
}
END_TEST

START_TEST(open_of_a_deleted_inode_is_stale)
{
	struct handle h;

	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	ck_assert_int_eq(unlinkat(scratch.fd, "a", 0), 0);
	ck_assert_int_eq(handle_open(scratch.fd, &h, O_PATH), -ESTALE);
}
END_TEST

START_TEST(number_used_again_is_another_handle)
{
	struct handle old;
	struct handle new;

	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &old), 0);
	ck_assert_int_eq(unlinkat(scratch.fd, "a", 0), 0);
	add_file(scratch.fd, "a", "y"); /* of the same number, on ext4 */
	ck_assert_int_eq(handle_at(scratch.fd, "a", &new), 0);
	ck_assert(!handle_equal(&old, &new));
	ck_assert_int_eq(handle_open(scratch.fd, &old, O_PATH), -ESTALE);
}
END_TEST

/* What the kernel says while the number of a deleted inode is being given to a new file. */
START_TEST(open_is_tried_again_while_the_number_changes_hands)
{
	struct handle h;
	int fd;

	refusal = ENOMEM;
	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	refusals = 12;
	asked = 0;
	fd = handle_open(scratch.fd, &h, O_PATH);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(asked, 13);
	(void)close(fd);

	ck_assert_int_eq(unlinkat(scratch.fd, "a", 0), 0);
	refusals = 1;
	ck_assert_int_eq(handle_open(scratch.fd, &h, O_PATH), -ESTALE);
	ck_assert_int_eq(refusals, 0);
}
END_TEST

/* Who looks whether it is in use has a lease for the moment. */
START_TEST(open_is_tried_again_while_somebody_has_a_lease)
{
	struct handle h;
	int fd;

	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	refusal = EWOULDBLOCK;
	refusals = 12;
	fd = handle_open(scratch.fd, &h, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	refusals = 1;
	ck_assert_int_eq(handle_try_open(scratch.fd, &h, O_RDWR | O_NONBLOCK), -EWOULDBLOCK);
}
END_TEST

START_TEST(want_of_memory_is_told_in_the_end)
{
	struct handle h;

	add_file(scratch.fd, "a", "x");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	refusal = ENOMEM;
	refusals = INT_MAX;
	ck_assert_int_eq(handle_open(scratch.fd, &h, O_PATH), -ENOMEM);
	refusals = 0;
}
END_TEST

START_TEST(no_handle_names_nothing)
{
	struct handle none = { 0 };

	ck_assert_int_eq(handle_open(scratch.fd, &none, O_PATH), -ESTALE);
}
END_TEST

START_TEST(failure_leaves_the_result_alone)
{
	struct handle h = { .type = 77, .len = 1 };
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(handle_at(scratch.fd, "none", &h), -ENOENT);
	ck_assert_int_eq(handle_at(proc, "version", &h), -EOPNOTSUPP);
	ck_assert_int_eq(h.type, 77);
	ck_assert_uint_eq(h.len, 1);
	(void)close(proc);
}
END_TEST

START_TEST(equality_looks_at_the_used_bytes_only)
{
	struct handle a = { .type = 1, .len = 2, .bytes = { 1, 2, 3 } };
	struct handle b = { .type = 1, .len = 2, .bytes = { 1, 2, 4 } };

	ck_assert(handle_equal(&a, &b));
	b.type = 2;
	ck_assert(!handle_equal(&a, &b));
	b.type = 1;
	b.len = 3;
	ck_assert(!handle_equal(&a, &b));
	a.len = 3;
	ck_assert(!handle_equal(&a, &b));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		handle_of_a_name_is_that_of_its_descriptor,
		handle_names_the_link_not_its_target,
		open_finds_the_inode_after_a_rename,
		open_of_a_deleted_inode_is_stale,
		number_used_again_is_another_handle,
		open_is_tried_again_while_the_number_changes_hands,
		open_is_tried_again_while_somebody_has_a_lease,
		want_of_memory_is_told_in_the_end,
		no_handle_names_nothing,
		failure_leaves_the_result_alone,
		equality_looks_at_the_used_bytes_only,
	};

	return RUN_TESTS("handle", tests, scratch_setup, scratch_teardown);
}
