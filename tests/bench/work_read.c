/* SPDX-License-Identifier: MIT */
/*
 * Reading a file that another process wrote: by read in 1 MiB pieces and at random in 4 KiB, by mapping it
 * and going through it, and at random. All in memory already, but for cold_mbps: what the mount itself
 * caches of the file is dropped before each pass.
 *
 * The file stays open, and its size is known: what open and fstat cost is another workload's.
 *
 * seq_mbps, random_mbps, map_mbps, map_random_mbps, cold_mbps; faults and pmd_share of one mapped pass.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"
#include "workload.h"

#define SEQ_BYTES (1 << 20)
#define RANDOM_BYTES 4096
#define RANDOM_READS 2048

struct reading {
	const struct params *params;
	const char *path;
	int fd;
	char *buffer;
	uint64_t seed;
};

static uint64_t next_random(struct reading *reading)
{
	reading->seed ^= reading->seed << 13;
	reading->seed ^= reading->seed >> 7;
	reading->seed ^= reading->seed << 17;
	return reading->seed;
}

static uint64_t random_offset(struct reading *reading)
{
	uint64_t pages = reading->params->size_bytes / RANDOM_BYTES;

	return next_random(reading) % (pages ? pages : 1) * RANDOM_BYTES;
}

static uint64_t read_seq(struct reading *reading)
{
	uint64_t at = 0;
	ssize_t got;

	while ((got = pread(reading->fd, reading->buffer, SEQ_BYTES, (off_t)at)) > 0)
		at += (uint64_t)got;
	if (got < 0)
		fail("read", reading->path);
	return at;
}

static uint64_t read_random(struct reading *reading)
{
	uint64_t bytes = 0;

	for (int i = 0; i < RANDOM_READS; i++) {
		ssize_t got = pread(reading->fd, reading->buffer, RANDOM_BYTES,
				    (off_t)random_offset(reading));

		if (got <= 0)
			fail("read", reading->path);
		bytes += (uint64_t)got;
	}
	return bytes;
}

static uint64_t map_seq(struct reading *reading)
{
	struct mapped map = map_fd(reading->fd, reading->path, reading->params->size_bytes);

	scan_lines(&map);
	map_drop(&map);
	return map.size;
}

static uint64_t map_random(struct reading *reading)
{
	struct mapped map = map_fd(reading->fd, reading->path, reading->params->size_bytes);

	for (int i = 0; i < RANDOM_READS; i++)
		memcpy(reading->buffer, map.bytes + random_offset(reading), RANDOM_BYTES);
	map_drop(&map);
	return (uint64_t)RANDOM_READS * RANDOM_BYTES;
}

/* Passes of one kind until its share of the time is used up; the first one is not counted. */
static void passes(struct reading *reading, const char *series, uint64_t (*one)(struct reading *),
		   bool cold)
{
	uint64_t end, bytes, begun;

	one(reading);
	end = now_ns() + reading->params->budget_ns / 5;
	do {
		if (cold)
			(void)posix_fadvise(reading->fd, 0, 0, POSIX_FADV_DONTNEED);
		begun = now_ns();
		bytes = one(reading);
		record(series, (double)bytes * 1e3 / (double)(now_ns() - begun + 1));
	} while (now_ns() < end);
}

static void reader(struct turns *turns, const struct params *params, void *shared)
{
	struct reading reading = { .params = params, .seed = UINT64_C(88172645463325252) };
	struct mapped map;
	uint64_t faults;

	(void)shared;
	if (!turn_take(turns))
		return;
	reading.path = path_in(params, "file");
	reading.buffer = pattern_new(SEQ_BYTES);
	reading.fd = open(reading.path, O_RDONLY | O_CLOEXEC);
	if (reading.fd < 0)
		fail("open", reading.path);

	passes(&reading, "seq_mbps", read_seq, false);
	passes(&reading, "random_mbps", read_random, false);
	passes(&reading, "map_mbps", map_seq, false);
	passes(&reading, "map_random_mbps", map_random, false);
	faults = fault_count();
	map = map_open(reading.path);
	scan_lines(&map);
	record("faults", (double)(fault_count() - faults));
	record("pmd_share", pmd_share(&map));
	map_close(&map);
	passes(&reading, "cold_mbps", read_seq, true);
	close(reading.fd);
	turn_give(turns);
}

void work_read(const struct params *params)
{
	struct turns turns = partner_start(reader, params, NULL);
	char *buffer = pattern_new(params->chunk_bytes);
	const char *path = path_in(params, "file");
	int fd;

	write_file(path, buffer, params->size_bytes, params->chunk_bytes);
	/* What a disk still has to be told does not disturb the readers. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		fail("fsync", path);
	close(fd);
	sleep_ns(params->pause_ns);
	turn_give(&turns);
	(void)turn_take(&turns);
	partner_finish(&turns);
}
