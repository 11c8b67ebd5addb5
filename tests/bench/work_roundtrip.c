/* SPDX-License-Identifier: MIT */
/*
 * Small files there and back. trip_ns: one process makes, writes and closes a file and says so through a
 * pipe; the other opens, reads, closes and removes it, answers with a file of its own, and says so; the
 * first one takes that in the same way. alone_ns: the same files, but one process does it all, so that no
 * time goes into waking somebody up.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workload.h"

#define WARM_ROUNDS 5

static void put(const char *path, const char *buffer, const struct params *params)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("create", path);
	if (write(fd, buffer, params->size_bytes) != (ssize_t)params->size_bytes)
		fail("write", path);
	close(fd);
}

static void get(const char *path, char *buffer, const struct params *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("open", path);
	if (read(fd, buffer, params->size_bytes) != (ssize_t)params->size_bytes)
		fail("read", path);
	close(fd);
	if (unlink(path) != 0)
		fail("unlink", path);
}

static void answerer(struct turns *turns, const struct params *params, void *shared)
{
	char *buffer = pattern_new(params->size_bytes);
	uint64_t round = 0;

	(void)shared;
	while (turn_take(turns)) {
		get(path_number(params, "question", round), buffer, params);
		put(path_number(params, "answer", round), buffer, params);
		round++;
		turn_give(turns);
	}
}

static bool more(const struct params *params, uint64_t round, uint64_t begun)
{
	return round <= WARM_ROUNDS ||
	       (now_ns() - begun < params->budget_ns / 2 && round < params->count + WARM_ROUNDS);
}

void work_roundtrip(const struct params *params)
{
	struct turns turns = partner_start(answerer, params, NULL);
	char *buffer = pattern_new(params->size_bytes);
	uint64_t begun = now_ns(), start;

	for (uint64_t round = 0; more(params, round, begun); round++) {
		start = now_ns();
		put(path_number(params, "question", round), buffer, params);
		turn_give(&turns);
		if (!turn_take(&turns))
			break;
		get(path_number(params, "answer", round), buffer, params);
		if (round >= WARM_ROUNDS)
			record("trip_ns", (double)(now_ns() - start));
	}
	partner_finish(&turns);

	begun = now_ns();
	for (uint64_t round = 0; more(params, round, begun); round++) {
		start = now_ns();
		for (int both = 0; both < 2; both++) {
			put(path_number(params, "alone", round), buffer, params);
			get(path_number(params, "alone", round), buffer, params);
		}
		if (round >= WARM_ROUNDS)
			record("alone_ns", (double)(now_ns() - start));
	}
}
