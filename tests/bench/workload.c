/* SPDX-License-Identifier: MIT */
/*
 * The program `workload`: its command line, its directory, its result. See workload.h.
 */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "series.h"

static const struct {
	const char *name;
	void (*run)(const struct params *params);
	bool above; /* DIR is there, and stays: what is worked in is below it */
} workloads[] = {
	{ "handoff", work_handoff, false },
	{ "beside", work_beside, false },
	{ "latency", work_latency, false },
	{ "reopen", work_reopen, false },
	{ "write-over", work_write_over, false },
	{ "write-new", work_write_new, false },
	{ "read", work_read, false },
	{ "names", work_names, false },
	{ "roundtrip", work_roundtrip, false },
	{ "populate", work_populate, true },
	{ "sample", work_sample, true },
	{ "list", work_list, false },
	{ "crowd-read", work_crowd_read, false },
	{ "crowd-write", work_crowd_write, false },
};

static const struct {
	const char *key;
	size_t offset;
} keys[] = {
	{ "size", offsetof(struct params, size_bytes) },
	{ "chunk", offsetof(struct params, chunk_bytes) },
	{ "budget_ns", offsetof(struct params, budget_ns) },
	{ "count", offsetof(struct params, count) },
	{ "clients", offsetof(struct params, clients) },
	{ "first", offsetof(struct params, first) },
	{ "pause_ns", offsetof(struct params, pause_ns) },
	{ "idle_ns", offsetof(struct params, idle_ns) },
	{ "beside", offsetof(struct params, beside_bytes) },
	{ "again", offsetof(struct params, again) },
};

static void parse(struct params *params, const char *argument)
{
	size_t key_length = strcspn(argument, "=");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].key) != key_length ||
		    strncmp(keys[i].key, argument, key_length) != 0 || !argument[key_length])
			continue;
		*(uint64_t *)((char *)params + keys[i].offset) =
			strtoull(argument + key_length + 1, NULL, 0);
		return;
	}
	errno = EINVAL;
	fail("unknown parameter", argument);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	/* A directory that batonfs made by itself is gone with its last file. */
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

/*
 * A file stays in DIR all the while, as in an execution that is at work: some filesystems do something
 * about a directory that becomes empty, and that is not what is measured.
 */
static void begin_in(const struct params *params)
{
	int fd;

	if (mkdir(params->dir, 0755) != 0 && errno != EEXIST)
		fail("mkdir", params->dir);
	fd = open(path_in(params, "stays"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		fail("open", params->dir);
	close(fd);
}

int main(int argc, char **argv)
{
	struct params params = { .clients = 1 };

	if (argc < 3) {
		fprintf(stderr, "usage: workload NAME DIR [key=value...]\n");
		return 2;
	}
	params.dir = argv[2];
	for (int i = 3; i < argc; i++)
		parse(&params, argv[i]);
	if (params.chunk_bytes == 0)
		params.chunk_bytes = params.size_bytes;
	/* A sleep of 300 µs is meant to be one. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	series_init();

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(workloads[i].name, argv[1]) != 0)
			continue;
		if (!workloads[i].above)
			begin_in(&params);
		workloads[i].run(&params);
		if (!workloads[i].above &&
		    nftw(params.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
			fail("remove", params.dir);
		series_print(argv[1]);
		return 0;
	}
	fprintf(stderr, "workload: no such workload: %s\n", argv[1]);
	return 2;
}
