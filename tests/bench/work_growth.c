/* SPDX-License-Identifier: MIT */
/*
 * Many files. DIR is where executions are (a mountpoint), not one of them; they are called first, first + 1
 * and so on, `clients` of them, and each has `count` files: file.0, file.1, ...
 *
 * populate: make them, of `size` bytes each. It leaves them there. create_rate per second.
 * sample:   for `budget_ns`, at random among them: stat_ns, open_ns (with close), create_ns (open O_CREAT, close),
 *           unlink_ns of what was created.
 * list:     `count` files in one directory, listed five times: list_rate, entries per second.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define LIST_REPEAT 5
/* Rounds that are not recorded. */
#define WARM_ROUNDS 20
#define ROUNDS_MAX 60000

static void make(const char *path, const char *buffer, uint64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("create", path);
	if (size && write(fd, buffer, size) != (ssize_t)size)
		fail("write", path);
	close(fd);
}

void work_populate(const struct params *params)
{
	char *buffer = params->size_bytes ? pattern_new(params->size_bytes) : NULL;
	uint64_t begun = now_ns();
	char path[PATH_BYTES];

	for (uint64_t e = params->first; e < params->first + params->clients; e++) {
		snprintf(path, sizeof(path), "%s/%" PRIu64, params->dir, e);
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			fail("mkdir", path);
		for (uint64_t f = 0; f < params->count; f++) {
			snprintf(path, sizeof(path), "%s/%" PRIu64 "/file.%" PRIu64, params->dir, e,
				 f);
			make(path, buffer, params->size_bytes);
		}
	}
	record("create_rate",
	       (double)(params->clients * params->count) * 1e9 / (double)(now_ns() - begun + 1));
}

struct moment {
	uint64_t stat, open, create, unlink;
};

/* One of each at the given place. */
static struct moment sample_one(const char *path, const char *new_path)
{
	struct moment took;
	uint64_t t[6];
	struct stat st;
	int fd;

	t[0] = now_ns();
	if (stat(path, &st) != 0)
		fail("stat", path);
	t[1] = now_ns();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open", path);
	close(fd);
	t[2] = now_ns();
	make(new_path, NULL, 0);
	t[3] = now_ns();
	if (unlink(new_path) != 0)
		fail("unlink", new_path);
	t[4] = now_ns();
	took = (struct moment){ t[1] - t[0], t[2] - t[1], t[3] - t[2], t[4] - t[3] };
	return took;
}

void work_sample(const struct params *params)
{
	uint64_t end = now_ns() + params->budget_ns;
	char path[PATH_BYTES], new_path[PATH_BYTES];

	srandom(1);
	for (uint64_t round = 0; round <= WARM_ROUNDS || (now_ns() < end && round < ROUNDS_MAX);
	     round++) {
		uint64_t e = params->first + (uint64_t)random() % params->clients;
		uint64_t f = (uint64_t)random() % params->count;
		struct moment took;

		snprintf(path, sizeof(path), "%s/%" PRIu64 "/file.%" PRIu64, params->dir, e, f);
		snprintf(new_path, sizeof(new_path), "%s/%" PRIu64 "/new", params->dir, e);
		took = sample_one(path, new_path);
		if (round < WARM_ROUNDS)
			continue;
		record("stat_ns", (double)took.stat);
		record("open_ns", (double)took.open);
		record("create_ns", (double)took.create);
		record("unlink_ns", (double)took.unlink);
	}
}

void work_list(const struct params *params)
{
	for (uint64_t f = 0; f < params->count; f++)
		make(path_number(params, "file", f), NULL, 0);
	for (int i = 0; i < LIST_REPEAT; i++) {
		uint64_t begun = now_ns(), entries = 0;
		DIR *dir = opendir(params->dir);

		if (!dir)
			fail("opendir", params->dir);
		while (readdir(dir))
			entries++;
		closedir(dir);
		if (entries < params->count) {
			errno = ENOENT;
			fail("entries are missing in", params->dir);
		}
		record("list_rate", (double)entries * 1e9 / (double)(now_ns() - begun + 1));
	}
}
