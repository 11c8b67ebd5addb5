/* SPDX-License-Identifier: MIT */
/*
 * How long until a reader has the first byte: open, fstat, mmap and a read of one byte, each timed.
 *
 * latency: another process writes a new file (again=1: the same once more) and closes it; the reader comes
 *          `pause_ns` after that, or at once when it is told.
 * reopen:  the reader takes the same file over and over, `pause_ns` apart, or back to back. Nobody writes.
 *
 * open_ns, fstat_ns, mmap_ns, byte_ns, and their sum ready_ns; cycle_ns has munmap and close, too.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

/* Rounds that are not recorded: caches, code and branch predictors are what they are later. */
#define WARM_ROUNDS 5

struct baton {
	uint64_t round;
	uint64_t closed_ns;
};

struct stamps {
	uint64_t begun, opened, known, mapped, read, closed;
};

static struct stamps take(const char *path)
{
	struct stamps t;
	struct stat st;
	const char *bytes;
	int fd;

	t.begun = now_ns();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	t.opened = now_ns();
	if (fd < 0 || fstat(fd, &st) != 0)
		fail("open", path);
	t.known = now_ns();
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	t.mapped = now_ns();
	if (bytes == MAP_FAILED)
		fail("mmap", path);
	(void)*(const volatile char *)bytes;
	t.read = now_ns();
	(void)munmap((void *)(uintptr_t)bytes, (size_t)st.st_size);
	close(fd);
	t.closed = now_ns();
	return t;
}

static void record_stamps(const struct stamps *t)
{
	record("open_ns", (double)(t->opened - t->begun));
	record("fstat_ns", (double)(t->known - t->opened));
	record("mmap_ns", (double)(t->mapped - t->known));
	record("byte_ns", (double)(t->read - t->mapped));
	record("ready_ns", (double)(t->read - t->begun));
	record("cycle_ns", (double)(t->closed - t->begun));
}

static uint64_t file_number(const struct params *params, uint64_t round)
{
	return params->again ? 0 : round;
}

static void reader(struct turns *turns, const struct params *params, void *shared)
{
	const struct baton *baton = shared;

	while (turn_take(turns)) {
		const char *path = path_number(params, "file", file_number(params, baton->round));
		struct stamps t;

		if (params->pause_ns)
			sleep_until_ns(baton->closed_ns + params->pause_ns);
		t = take(path);
		if (baton->round >= WARM_ROUNDS)
			record_stamps(&t);
		turn_give(turns);
	}
}

void work_latency(const struct params *params)
{
	struct baton *baton = shared_new(sizeof(*baton));
	struct turns turns = partner_start(reader, params, baton);
	char *buffer = pattern_new(params->chunk_bytes);
	uint64_t begun = now_ns();

	do {
		const char *path = path_number(params, "file", file_number(params, baton->round));

		write_file(path, buffer, params->size_bytes, params->chunk_bytes);
		baton->closed_ns = now_ns();
		turn_give(&turns);
		if (!turn_take(&turns))
			break;
		if (!params->again && unlink(path) != 0)
			fail("unlink", path);
		sleep_ns(params->idle_ns);
	} while (++baton->round <= WARM_ROUNDS || (now_ns() - begun < params->budget_ns &&
						   baton->round < params->count + WARM_ROUNDS));
	partner_finish(&turns);
}

static void reopener(struct turns *turns, const struct params *params, void *shared)
{
	const char *path = path_in(params, "file");
	uint64_t begun;

	(void)shared;
	if (!turn_take(turns))
		return;
	begun = now_ns();
	for (uint64_t round = 0; round <= WARM_ROUNDS || (now_ns() - begun < params->budget_ns &&
							  round < params->count + WARM_ROUNDS);
	     round++) {
		struct stamps t = take(path);

		if (round >= WARM_ROUNDS)
			record_stamps(&t);
		sleep_ns(params->pause_ns);
	}
	turn_give(turns);
}

void work_reopen(const struct params *params)
{
	struct turns turns = partner_start(reopener, params, NULL);
	char *buffer = pattern_new(params->chunk_bytes);

	write_file(path_in(params, "file"), buffer, params->size_bytes, params->chunk_bytes);
	turn_give(&turns);
	(void)turn_take(&turns);
	partner_finish(&turns);
}
