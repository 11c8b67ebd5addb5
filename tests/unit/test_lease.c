/* SPDX-License-Identifier: MIT */
/*
 * Whether a file is in use, as the kernel sees it.
 */
#include "store/lease.h"

#include <signal.h>
#include <sys/mman.h>

#include "scratch.h"

static struct handle file;

static void setup(void)
{
	(void)signal(SIGIO, SIG_IGN);
	scratch_setup();
	add_file(scratch.fd, "f", "hello");
	ck_assert_int_eq(handle_at(scratch.fd, "f", &file), 0);
}

START_TEST(closed_file_is_free)
{
	int before = count_fds();

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(lease_in_use(scratch.fd, &file), 0);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(open_file_is_in_use)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = openat(scratch.fd, "f", flags[i] | O_CLOEXEC);

		ck_assert_int_eq(lease_in_use(scratch.fd, &file), 1);
		(void)close(fd);
		ck_assert_int_eq(lease_in_use(scratch.fd, &file), 0);
	}
}
END_TEST

START_TEST(mapped_file_is_in_use_after_close)
{
	int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	(void)close(fd);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 1);
	ck_assert_int_eq(munmap(map, 5), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 0);
}
END_TEST

START_TEST(path_descriptor_does_not_count)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 0);
}
END_TEST

START_TEST(lease_of_somebody_else_means_in_use)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 1);
}
END_TEST

START_TEST(readers_cannot_write)
{
	int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(lease_writable(scratch.fd, &file), 0);
	(void)close(fd);
	ck_assert_int_eq(lease_writable(scratch.fd, &file), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 1);
	ck_assert_int_eq(munmap(map, 5), 0);
}
END_TEST

START_TEST(writers_can_until_they_unmap)
{
	int fd = openat(scratch.fd, "f", O_RDWR | O_CLOEXEC);
	void *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(lease_writable(scratch.fd, &file), 1);
	(void)close(fd);
	ck_assert_int_eq(lease_writable(scratch.fd, &file), 1);
	ck_assert_int_eq(munmap(map, 5), 0);
	ck_assert_int_eq(lease_writable(scratch.fd, &file), 0);
}
END_TEST

START_TEST(asking_changes_nothing)
{
	struct stat before;
	struct stat after;

	ck_assert_int_eq(fstatat(scratch.fd, "f", &before, 0), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), 0);
	ck_assert_int_eq(fstatat(scratch.fd, "f", &after, 0), 0);
	ck_assert_int_eq(before.st_atim.tv_sec, after.st_atim.tv_sec);
	ck_assert_int_eq(before.st_atim.tv_nsec, after.st_atim.tv_nsec);
}
END_TEST

START_TEST(deleted_file_is_gone)
{
	ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), -ESTALE);
}
END_TEST

START_TEST(without_descriptors_there_is_no_answer)
{
	struct rlimit old;
	struct rlimit none = { 0 };

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(lease_in_use(scratch.fd, &file), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		closed_file_is_free,
		open_file_is_in_use,
		mapped_file_is_in_use_after_close,
		path_descriptor_does_not_count,
		lease_of_somebody_else_means_in_use,
		readers_cannot_write,
		writers_can_until_they_unmap,
		asking_changes_nothing,
		deleted_file_is_gone,
		without_descriptors_there_is_no_answer,
	};

	return RUN_TESTS("lease", tests, setup, scratch_teardown);
}
