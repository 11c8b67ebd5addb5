/* SPDX-License-Identifier: MIT */
/*
 * One thread as somebody else, while the process stays root.
 */
#include "store/cred.h"

#include <grp.h>
#include <pthread.h>

#include "scratch.h"

/* A thread's errors cannot be check's: this is what it saw. */
static struct {
	int r;
	struct stat file;
	struct stat dir;
	struct stat again;
	bool closed_file_readable;
} saw;

static void create(const char *name, struct stat *ret)
{
	int fd = openat(scratch.fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0 || fstat(fd, ret) < 0)
		saw.r = -errno;
	(void)safe_close(fd);
}

static void *be_others(void *arg)
{
	struct cred c;

	(void)arg;
	saw.r = cred_thread_init(&c);
	if (saw.r < 0)
		return NULL;
	cred_assume(&c, 1000, 100, 022);
	create("alice", &saw.file);
	if (mkdirat(scratch.fd, "dir", 0777) < 0 || fstatat(scratch.fd, "dir", &saw.dir, 0) < 0)
		saw.r = -errno;
	/* capabilities stay: 0700 of root is no obstacle */
	saw.closed_file_readable = openat(scratch.fd, "secret", O_RDONLY | O_CLOEXEC) >= 0;
	cred_assume(&c, 1001, 101, 077);
	cred_assume(&c, 1001, 101, 077);
	create("bob", &saw.again);
	return NULL;
}

START_TEST(new_files_belong_to_whom_the_thread_is)
{
	struct stat st;
	pthread_t thread;
	mode_t mask = umask(027);

	add_file(scratch.fd, "secret", "");
	ck_assert_int_eq(fchmodat(scratch.fd, "secret", 0, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, be_others, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(saw.r, 0);
	ck_assert_uint_eq(saw.file.st_uid, 1000);
	ck_assert_uint_eq(saw.file.st_gid, 100);
	ck_assert_uint_eq(saw.file.st_mode & 07777, 0644);
	ck_assert_uint_eq(saw.dir.st_uid, 1000);
	ck_assert_uint_eq(saw.dir.st_mode & 07777, 0755);
	ck_assert(saw.closed_file_readable);
	ck_assert_uint_eq(saw.again.st_uid, 1001);
	ck_assert_uint_eq(saw.again.st_gid, 101);
	ck_assert_uint_eq(saw.again.st_mode & 07777, 0600);

	add_file(scratch.fd, "mine", ""); /* this thread is who it was */
	ck_assert_int_eq(fstatat(scratch.fd, "mine", &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	ck_assert_uint_eq(umask(mask), 027);
}
END_TEST

static int init_without_privilege(void)
{
	struct cred c = { .uid = 77 };

	CHILD_ASSERT(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	CHILD_ASSERT(cred_thread_init(&c) == -EPERM);
	CHILD_ASSERT(c.uid == 77);
	return 0;
}

START_TEST(without_privilege_it_is_refused)
{
	in_child(init_without_privilege);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		new_files_belong_to_whom_the_thread_is,
		without_privilege_it_is_refused,
	};

	return RUN_TESTS("cred", tests, scratch_setup, scratch_teardown);
}
