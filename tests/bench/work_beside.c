/* SPDX-License-Identifier: MIT */
/*
 * What a filesystem does behind a close, and what that costs others. Files are handed from one process to another
 * back to back, for `budget_ns`; no two have the same content, and the last KEPT of them stay. Before that `clients`
 * files of `beside` bytes each are written and closed, `chunk` bytes at a time.
 *
 * close_ns   the writer's close, alone
 * total_ns   from the writer's open to the last byte that the reader has read
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"
#include "workload.h"

/* Source: those of a tenth of a second, so that what comes 50 ms after a close finds the file. */
#define KEPT 512

struct baton {
	uint64_t number;
	uint64_t opened_ns;
};

static void reader(struct turns *turns, const struct params *params, void *shared)
{
	const struct baton *baton = shared;

	while (turn_take(turns)) {
		struct mapped map = map_open(path_number(params, "file", baton->number));

		scan_lines(&map);
		record("total_ns", (double)(now_ns() - baton->opened_ns));
		map_close(&map);
		turn_give(turns);
	}
}

static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("open", path);
	return fd;
}

static void hand_over(const struct params *params, struct turns *turns, struct baton *baton,
		      char *buffer)
{
	uint64_t closing;
	int fd;

	baton->number++;
	memcpy(buffer, &baton->number, sizeof(baton->number));
	baton->opened_ns = now_ns();
	fd = create(path_number(params, "file", baton->number));
	write_all(fd, buffer, params->size_bytes, params->size_bytes);
	closing = now_ns();
	close(fd);
	record("close_ns", (double)(now_ns() - closing));
	turn_give(turns);
	if (!turn_take(turns))
		fail("the reader is gone", NULL);
	if (baton->number > KEPT && unlink(path_number(params, "file", baton->number - KEPT)) != 0)
		fail("unlink", params->dir);
}

void work_beside(const struct params *params)
{
	struct baton *baton = shared_new(sizeof(*baton));
	struct turns turns = partner_start(reader, params, baton);
	char *buffer = pattern_new(params->size_bytes);
	char *large = params->clients ? pattern_new(params->chunk_bytes) : NULL;
	uint64_t begun;

	for (uint64_t i = 0; i < params->clients; i++) {
		int fd = create(path_number(params, "large", i));

		memcpy(large, &i, sizeof(i));
		write_all(fd, large, params->beside_bytes, params->chunk_bytes);
		close(fd);
	}
	begun = now_ns();
	do
		hand_over(params, &turns, baton, buffer);
	while (now_ns() - begun < params->budget_ns && baton->number < params->count);
	partner_finish(&turns);
}
