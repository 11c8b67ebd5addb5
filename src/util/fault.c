/* SPDX-License-Identifier: MIT */
/*
 * Death at a chosen step, failure of a chosen call, and numbers of a test's choice.
 */
#include "util/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"

void fault_point(const char *name)
{
	static _Atomic uint64_t passed; /* of the one point that the environment names */
	const char *wanted = getenv("BATONFS_FAULT");
	size_t len = strlen(name);
	uint64_t n = 1;

	if (!wanted || strncmp(wanted, name, len) != 0 || (wanted[len] && wanted[len] != ':'))
		return;
	if (wanted[len] == ':' && parse_u64(wanted + len + 1, &n) < 0)
		return;
	if (atomic_fetch_add(&passed, 1) + 1 == n)
		(void)raise(SIGKILL);
}

void fault_hang(const char *name)
{
	const char *path = getenv("BATONFS_FAULT_HANG");
	char text[32];
	int status = -1;
	FILE *f = path ? fopen(path, "re") : NULL;
	bool here = f && fscanf(f, "%31s %d", text, &status) >= 1 && strcmp(text, name) == 0;

	if (f)
		(void)fclose(f);
	while (here && unlink(path) == 0) {
		if (status >= 0)
			_exit(status);
		/* pause(2) is not among the calls that the filter allows: it would not wait. */
		for (;;)
			(void)nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
}

static bool is_named(const char *path, const char *name)
{
	FILE *f = path ? fopen(path, "re") : NULL;
	char text[32];
	bool is = f && fscanf(f, "%31s", text) == 1 && strcmp(text, name) == 0;

	if (f)
		(void)fclose(f);
	return is;
}

void fault_wait(const char *name)
{
	const char *path = getenv("BATONFS_FAULT_WAIT");

	while (is_named(path, name))
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- calls that fail ---- */

#define ORDER_MAX 128

/* What the file says, and how many of those calls there were since it says so. */
struct order {
	char text[ORDER_MAX];
	uint64_t passed;
};

static bool read_order(const char *path, char ret[ORDER_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, ORDER_MAX - 1);

	if (n <= 0)
		return false;
	ret[n] = '\0';
	return true;
}

static void tell_hit(const char *path)
{
	_cleanup_free_ char *hit = NULL;
	int fd;

	if (asprintf(&hit, "%s.hit", path) < 0) {
		hit = NULL;
		return;
	}
	fd = open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)safe_close(fd);
}

/* Whether this call is one of those; *ret: how it fails. */
static bool is_ordered(struct order *o, const char *text, const char *name, int *ret)
{
	unsigned long long first, last;
	char wanted[32];

	if (strcmp(text, o->text) != 0) {
		strcpy(o->text, text);
		o->passed = 0;
	}
	if (sscanf(text, "%31s %llu %llu %d", wanted, &first, &last, ret) != 4 ||
	    (strcmp(wanted, "*") != 0 && strcmp(wanted, name) != 0))
		return false;
	o->passed++;
	return o->passed >= first && o->passed <= last;
}

bool fault_call(const char *name)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `order` */
	static struct order order;
	const char *path = getenv("BATONFS_FAULT_CALLS");
	int saved = errno;
	char text[ORDER_MAX];
	int err = 0;
	bool fails;

	if (!path)
		return false;
	(void)pthread_mutex_lock(&mutex);
	fails = read_order(path, text) && is_ordered(&order, text, name, &err);
	(void)pthread_mutex_unlock(&mutex);
	if (fails)
		tell_hit(path);
	errno = fails ? err : saved;
	return fails;
}

uint64_t fault_number(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	uint64_t n;

	return text && parse_u64(text, &n) == 0 ? n : otherwise;
}
