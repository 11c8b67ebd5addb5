/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define LINE_BYTES 64

struct mapped map_fd(int fd, const char *path, uint64_t size)
{
	struct mapped map = { .fd = fd, .size = size };

	map.bytes = mmap(NULL, map.size, PROT_READ, MAP_SHARED, fd, 0);
	if (map.bytes == MAP_FAILED)
		fail("mmap", path);
	return map;
}

void map_drop(struct mapped *map)
{
	(void)munmap((void *)(uintptr_t)map->bytes, map->size);
}

struct mapped map_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail("open", path);
	return map_fd(fd, path, (uint64_t)st.st_size);
}

void map_close(struct mapped *map)
{
	map_drop(map);
	close(map->fd);
}

uint64_t scan_lines(const struct mapped *map)
{
	uint64_t sum = 0;

	for (uint64_t at = 0; at + sizeof(sum) <= map->size; at += LINE_BYTES) {
		uint64_t word;

		memcpy(&word, map->bytes + at, sizeof(word));
		sum += word;
	}
	/* The compiler must believe that somebody wants the sum. */
	__asm__ volatile("" : : "r"(sum) : "memory");
	return sum;
}

uint64_t fault_count(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

double pmd_share(const struct mapped *map)
{
	char line[PATH_BYTES];
	uint64_t start, end, kib, resident = 0, huge = 0;
	bool ours = false;
	FILE *smaps = fopen("/proc/self/smaps", "re");

	if (!smaps)
		fail("open", "/proc/self/smaps");
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			ours = start >= (uintptr_t)map->bytes &&
			       end <= (uintptr_t)map->bytes + map->size + 4095;
		else if (ours && sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			resident += kib;
		else if (ours && (sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib) == 1 ||
				  sscanf(line, "FilePmdMapped: %" SCNu64, &kib) == 1))
			huge += kib;
	}
	fclose(smaps);
	return resident ? (double)huge / (double)resident : 0;
}
