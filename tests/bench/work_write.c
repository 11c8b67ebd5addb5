/* SPDX-License-Identifier: MIT */
/*
 * Writing in chunks: over the pages of a file that has them, and to a new file each time. A pass goes from
 * the file's begin to its end, or as far as the time allows. mbps is 10^6 bytes a second; to a new file it
 * counts writing only, and file_mbps creating and closing, too.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workload.h"

/* One pass; returns how many bytes were written. Looks at the clock every 64 KiB or more. */
static uint64_t pass(int fd, const char *buffer, const struct params *params, uint64_t until_ns)
{
	uint64_t at = 0, look = 0;

	while (at + params->chunk_bytes <= params->size_bytes) {
		if (pwrite(fd, buffer, params->chunk_bytes, (off_t)at) !=
		    (ssize_t)params->chunk_bytes)
			fail("write", params->dir);
		at += params->chunk_bytes;
		if (at - look >= 65536) {
			look = at;
			if (now_ns() > until_ns)
				break;
		}
	}
	return at;
}

static double mbps(uint64_t bytes, uint64_t ns)
{
	return (double)bytes * 1e3 / (double)(ns ? ns : 1);
}

void work_write_over(const struct params *params)
{
	char *buffer = pattern_new(params->chunk_bytes);
	const char *path = path_in(params, "file");
	uint64_t end;
	int fd;

	write_file(path, buffer, params->size_bytes, params->chunk_bytes);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open", path);
	pass(fd, buffer, params, now_ns() + params->budget_ns / 10);
	end = now_ns() + params->budget_ns;
	do {
		uint64_t begun = now_ns();
		uint64_t bytes = pass(fd, buffer, params, end);

		record("mbps", mbps(bytes, now_ns() - begun));
	} while (now_ns() < end);
	close(fd);
}

void work_write_new(const struct params *params)
{
	char *buffer = pattern_new(params->chunk_bytes);
	uint64_t end = now_ns() + params->budget_ns, number = 0;

	do {
		const char *path = path_number(params, "file", number++);
		uint64_t begun = now_ns(), opened, written, closed, bytes;
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		opened = now_ns();
		if (fd < 0)
			fail("open", path);
		bytes = pass(fd, buffer, params, end);
		written = now_ns();
		close(fd);
		closed = now_ns();
		if (unlink(path) != 0)
			fail("unlink", path);
		/* The first one finds everything cold; it counts only if it is the only one. */
		if (number > 1 || now_ns() >= end) {
			record("mbps", mbps(bytes, written - opened));
			record("file_mbps", mbps(bytes, closed - begun));
		}
	} while (now_ns() < end);
}
