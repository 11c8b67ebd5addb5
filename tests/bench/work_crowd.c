/* SPDX-License-Identifier: MIT */
/*
 * Many processes at once, `clients` of them, for `budget_ns`; the sum of what they moved.
 *
 * crowd-read:  one file of `size` bytes. One process writes over it, the clients read it, all of them `chunk`
 *              bytes at a time: read_mbps, write_mbps.
 * crowd-write: each client writes files of `size` bytes into a directory of its own (DIR0, DIR1, ...; on batonfs
 *              an execution each), one after the other: write_mbps.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define CLIENTS_MAX 256

struct member {
	uint64_t number;
	uint64_t bytes;
	uint64_t ended_ns;
};

/* Until the time is over, from begin to end of the file and again. */
static uint64_t go_round(int fd, char *buffer, const struct params *params, bool writes)
{
	uint64_t end = now_ns() + params->budget_ns, bytes = 0, at = 0;

	while (now_ns() < end) {
		ssize_t done = writes ? pwrite(fd, buffer, params->chunk_bytes, (off_t)at)
				      : pread(fd, buffer, params->chunk_bytes, (off_t)at);

		if (done != (ssize_t)params->chunk_bytes)
			fail(writes ? "write" : "read", params->dir);
		bytes += (uint64_t)done;
		at += params->chunk_bytes;
		if (at + params->chunk_bytes > params->size_bytes)
			at = 0;
	}
	return bytes;
}

static void reader(struct turns *turns, const struct params *params, void *shared)
{
	struct member *member = shared;
	char *buffer = pattern_new(params->chunk_bytes);
	int fd = open(path_in(params, "file"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open", params->dir);
	turn_give(turns);
	if (!turn_take(turns))
		return;
	member->bytes = go_round(fd, buffer, params, false);
	member->ended_ns = now_ns();
	close(fd);
}

static void writer(struct turns *turns, const struct params *params, void *shared)
{
	struct member *member = shared;
	char *buffer = pattern_new(params->chunk_bytes);
	char dir[PATH_BYTES / 2], path[PATH_BYTES];
	uint64_t end;

	snprintf(dir, sizeof(dir), "%s%" PRIu64, params->dir, member->number);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		fail("mkdir", dir);
	snprintf(path, sizeof(path), "%s/file", dir);
	turn_give(turns);
	if (!turn_take(turns))
		return;
	end = now_ns() + params->budget_ns;
	while (now_ns() < end) {
		write_file(path, buffer, params->size_bytes, params->chunk_bytes);
		member->bytes += params->size_bytes;
		if (unlink(path) != 0)
			fail("unlink", path);
	}
	member->ended_ns = now_ns();
	(void)rmdir(dir);
}

/* Start all, let them go at once, and record their common speed; `meanwhile` is this process's part. */
static void crowd(const struct params *params, const char *series,
		  void (*body)(struct turns *, const struct params *, void *),
		  void (*meanwhile)(const struct params *))
{
	struct member *members = shared_new(sizeof(*members) * CLIENTS_MAX);
	struct turns *turns = shared_new(sizeof(*turns) * CLIENTS_MAX);
	uint64_t n = params->clients < CLIENTS_MAX ? params->clients : CLIENTS_MAX;
	uint64_t begun, ended, bytes = 0;

	for (uint64_t i = 0; i < n; i++) {
		members[i].number = i;
		turns[i] = partner_start(body, params, &members[i]);
	}
	for (uint64_t i = 0; i < n; i++)
		(void)turn_take(&turns[i]);
	begun = ended = now_ns();
	for (uint64_t i = 0; i < n; i++)
		turn_give(&turns[i]);
	if (meanwhile)
		meanwhile(params);
	for (uint64_t i = 0; i < n; i++) {
		partner_finish(&turns[i]);
		bytes += members[i].bytes;
		if (members[i].ended_ns > ended)
			ended = members[i].ended_ns;
	}
	record(series, (double)bytes * 1e3 / (double)(ended - begun + 1));
}

static void write_over(const struct params *params)
{
	char *buffer = pattern_new(params->chunk_bytes);
	int fd = open(path_in(params, "file"), O_WRONLY | O_CLOEXEC);
	uint64_t begun = now_ns(), bytes;

	if (fd < 0)
		fail("open", params->dir);
	bytes = go_round(fd, buffer, params, true);
	record("write_mbps", (double)bytes * 1e3 / (double)(now_ns() - begun + 1));
	close(fd);
}

void work_crowd_read(const struct params *params)
{
	char *buffer = pattern_new(params->chunk_bytes);

	write_file(path_in(params, "file"), buffer, params->size_bytes, params->chunk_bytes);
	crowd(params, "read_mbps", reader, write_over);
}

void work_crowd_write(const struct params *params)
{
	crowd(params, "write_mbps", writer, NULL);
}
