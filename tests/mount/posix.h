/* SPDX-License-Identifier: MIT */
/*
 * What the posix_*.c programs share. Each works in its current directory, which must be empty and on the
 * filesystem under test, says what is not as it should be, goes on, and ends with status 1 if anything was.
 * They know nothing of batonfs, so that their expectations can be checked on any local filesystem.
 */
#ifndef TESTS_MOUNT_POSIX_H
#define TESTS_MOUNT_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int posix_failures;

/* The condition must hold. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		if (!(condition)) {                                                                \
			posix_failures++;                                                          \
			printf("FAIL: %s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,           \
			       strerror(errno));                                                   \
		}                                                                                  \
	} while (0)

/* The two numbers must be equal; both are shown in octal, too, for modes. */
#define CHECK_EQ(wanted, got)                                                                      \
	do {                                                                                       \
		long long want_ = (long long)(wanted), got_ = (long long)(got);                    \
		if (want_ != got_) {                                                               \
			posix_failures++;                                                          \
			printf("FAIL: %s:%d: %s is %lld (0%llo), not %lld (0%llo)\n", __FILE__,    \
			       __LINE__, #got, got_, (unsigned long long)got_, want_,              \
			       (unsigned long long)want_);                                         \
		}                                                                                  \
	} while (0)

/* The call must fail with this error. */
#define CHECK_ERRNO(error, call)                                                                   \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != (error)) {                                             \
			posix_failures++;                                                          \
			printf("FAIL: %s:%d: %s: %s, not %s\n", __FILE__, __LINE__, #call,         \
			       errno ? strerror(errno) : "success", strerror(error));              \
		}                                                                                  \
	} while (0)

/* What main() returns. */
static inline int posix_status(void)
{
	return posix_failures ? 1 : 0;
}

static inline struct stat stat_of(const char *path)
{
	struct stat st = { 0 };

	CHECK(lstat(path, &st) == 0);
	return st;
}

static inline struct stat fstat_of(int fd)
{
	struct stat st = { 0 };

	CHECK(fstat(fd, &st) == 0);
	return st;
}

static inline mode_t mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

/* A file with this text in it; mode regardless of the umask. */
static inline void make_file(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(text);

	CHECK(fd >= 0);
	CHECK(write(fd, text, len) == (ssize_t)len);
	CHECK(fchmod(fd, mode) == 0);
	CHECK(close(fd) == 0);
}

/* Whether the file holds just this text. */
static inline bool holds(const char *path, const char *text)
{
	char got[4096] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	if (fd >= 0)
		(void)close(fd);
	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

/* A child process. It runs `fn` and ends; collected by finish(). */
static inline pid_t start(void (*fn)(void *arg), void *arg)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		posix_failures = 0;
		fn(arg);
		(void)fflush(stdout);
		_exit(posix_status());
	}
	return pid;
}

static inline void finish(pid_t pid)
{
	int status = 1;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		posix_failures++;
}

struct user {
	uid_t uid;
	gid_t gid;
	gid_t group; /* a supplementary one; 0: none */
	void (*fn)(const char *arg);
	const char *arg;
};

static inline void become(void *arg)
{
	const struct user *u = arg;

	CHECK(setgroups(u->group ? 1 : 0, &u->group) == 0);
	CHECK(setresgid(u->gid, u->gid, u->gid) == 0);
	CHECK(setresuid(u->uid, u->uid, u->uid) == 0);
	u->fn(u->arg);
}

/* Run `fn` as that user and wait for it. */
static inline void as_user(uid_t uid, gid_t gid, gid_t group, void (*fn)(const char *arg),
			   const char *arg)
{
	struct user u = { .uid = uid, .gid = gid, .group = group, .fn = fn, .arg = arg };

	finish(start(become, &u));
}

#endif
