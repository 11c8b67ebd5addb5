/* SPDX-License-Identifier: MIT */
/*
 * A file handed from one process to another: written and closed here, opened, mapped and read in all its
 * pages there; then once more by the same reader.
 *
 * write_ns   open, write, close
 * first_ns   open, fstat, mmap, all pages read, by the other process
 * again_ns   the same a second time
 * total_ns   from the writer's open to the last byte read; with a pause, without it
 * at_ns      when it was over: CLOCK_MONOTONIC, as everybody's
 * faults, pmd_share   of the first reading's mapping; share of the mapping that is mapped by 2 MiB
 * writer_kib, reader_kib   growth of anonymous memory while all that happened
 */
#include <unistd.h>

#include "scan.h"
#include "workload.h"

struct baton {
	uint64_t number;
	uint64_t opened_ns;
	uint64_t closed_ns;
};

static void read_once(const struct params *params, const struct baton *baton)
{
	uint64_t faults, begun, ended;
	struct mapped map = { 0 };

	scan_lines(&map); /* of nothing: the page that the code is in is there, and not counted */
	begun = now_ns();
	map = map_open(path_number(params, "file", baton->number));
	faults = fault_count();
	scan_lines(&map);
	faults = fault_count() - faults;
	ended = now_ns();
	record("first_ns", (double)(ended - begun));
	record("total_ns", (double)(baton->closed_ns - baton->opened_ns +
				    (params->pause_ns ? ended - begun : ended - baton->closed_ns)));
	record("at_ns", (double)ended);
	record("faults", (double)faults);
	record("pmd_share", pmd_share(&map));
	map_close(&map);
}

static void read_again(const struct params *params, const struct baton *baton)
{
	uint64_t begun = now_ns();
	struct mapped map = map_open(path_number(params, "file", baton->number));

	scan_lines(&map);
	record("again_ns", (double)(now_ns() - begun));
	map_close(&map);
}

static void reader(struct turns *turns, const struct params *params, void *shared)
{
	const struct baton *baton = shared;
	uint64_t anonymous = anonymous_kib(), grown;

	while (turn_take(turns)) {
		if (params->pause_ns)
			sleep_until_ns(baton->closed_ns + params->pause_ns);
		read_once(params, baton);
		read_again(params, baton);
		turn_give(turns);
	}
	grown = anonymous_kib();
	record("reader_kib", grown > anonymous ? (double)(grown - anonymous) : 0);
}

void work_handoff(const struct params *params)
{
	struct baton *baton = shared_new(sizeof(*baton));
	struct turns turns = partner_start(reader, params, baton);
	char *buffer = pattern_new(params->chunk_bytes);
	uint64_t begun = now_ns(), anonymous = anonymous_kib(), grown;

	do {
		const char *path = path_number(params, "file", ++baton->number);

		baton->opened_ns = now_ns();
		write_file(path, buffer, params->size_bytes, params->chunk_bytes);
		baton->closed_ns = now_ns();
		turn_give(&turns);
		if (!turn_take(&turns))
			break;
		record("write_ns", (double)(baton->closed_ns - baton->opened_ns));
		if (unlink(path) != 0)
			fail("unlink", path);
		sleep_ns(params->idle_ns);
	} while (now_ns() - begun < params->budget_ns && baton->number < params->count);
	grown = anonymous_kib();
	partner_finish(&turns);
	record("writer_kib", grown > anonymous ? (double)(grown - anonymous) : 0);
}
