/* SPDX-License-Identifier: MIT */
/*
 * A new directory for each test, on a filesystem with handles and trusted attributes (under /tmp), and
 * what tests of it have in common. Needs root.
 */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dir.h"
#include "util/macro.h"

/* How long a thread may take to do what it does at once. Source: a very busy machine. */
#define PATIENCE_NS (60 * NS_PER_S)

/* Wait for what another thread will bring about. */
#define EVENTUALLY(condition)                                                                      \
	do {                                                                                       \
		int64_t until_ = clock_mono_ns() + PATIENCE_NS;                                    \
                                                                                                   \
		while (!(condition) && clock_mono_ns() < until_)                                   \
			(void)poll(NULL, 0, 1);                                                    \
		ck_assert_msg(condition, "not in time: %s", #condition);                           \
	} while (0)

static struct {
	char path[64];
	int fd;
} scratch;

static inline void scratch_setup(void)
{
	(void)snprintf(scratch.path, sizeof(scratch.path), "/tmp/test-batonfs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(scratch.path));
	scratch.fd = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(scratch.fd, 0);
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void scratch_teardown(void)
{
	scratch.fd = safe_close(scratch.fd);
	(void)nftw(scratch.path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file with this text, open for reading and writing. The caller closes it. */
static inline int make_file(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static inline void add_file(int dirfd, const char *name, const char *text)
{
	(void)close(make_file(dirfd, name, text));
}

/* A new directory, open. The caller closes it. */
static inline int make_dir(int dirfd, const char *name)
{
	int fd;

	ck_assert_int_eq(mkdirat(dirfd, name, 0755), 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline bool exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline uint64_t ino_of(int dirfd, const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static inline int count_entries(int dirfd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int n = 0;

	ck_assert_int_eq(dir_open(dirfd, ".", &dir), 0);
	while ((d = readdir(dir)))
		n += !dir_is_dot(d->d_name);
	return n;
}

/* Descriptors open in this process. */
static inline int count_fds(void)
{
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = count_entries(fd);

	(void)close(fd);
	return n - 2; /* the two used for counting */
}

/*
 * Run `fn` in a child, for what cannot be undone in a process. It returns 0 if all is well and uses
 * CHILD_ASSERT() instead of check's assertions.
 */
static inline void in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!WIFSIGNALED(status), "child: signal %d", WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0, "child: failed in a line that is %d modulo 255",
		      WEXITSTATUS(status) - 1);
}

/* An exit status has eight bits, so the line is told modulo 255. */
#define CHILD_ASSERT(condition)                                                                    \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__ % 255 + 1;                                                 \
	} while (0)

#endif
