/* SPDX-License-Identifier: MIT */
/*
 * Files whose every 8 bytes tell their place, and how they are mapped.
 *
 *     seal_huge write FILE BYTES CHUNK    stream them, of a length that nobody is told
 *     seal_huge map FILE KIB SECONDS      map it, read all of it, until so much is in huge pages; "any": once
 *     seal_huge churn FILE SECONDS        write, append, truncate and map it again and again, and read it back
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_MAX (1u << 20)
#define ANY UINT64_MAX

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void fail(const char *what)
{
	fprintf(stderr, "seal_huge: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void stream(int fd, uint64_t from, uint64_t to, uint64_t salt, size_t chunk)
{
	static uint64_t words[CHUNK_MAX / 8];

	while (from < to) {
		size_t n = to - from < chunk ? (size_t)(to - from) : chunk;

		for (size_t i = 0; i < n / 8; i++)
			words[i] = (from + i * 8) ^ salt;
		if (pwrite(fd, words, n, (off_t)from) != (ssize_t)n)
			fail("write");
		from += n;
	}
}

static int open_or_fail(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(path);
	return fd;
}

static void write_file(const char *path, uint64_t bytes, size_t chunk)
{
	int fd = open_or_fail(path, O_WRONLY | O_CREAT | O_TRUNC);

	stream(fd, 0, bytes, 0, chunk);
	(void)close(fd);
}

static void check(const void *map, uint64_t bytes, uint64_t salt)
{
	const uint64_t *words = map;

	for (uint64_t i = 0; i < bytes / 8; i++) {
		if (words[i] == ((i * 8) ^ salt))
			continue;
		fprintf(stderr, "seal_huge: at %llu: %llx\n", (unsigned long long)i * 8,
			(unsigned long long)words[i]);
		exit(1);
	}
}

/* KiB of the mapping at `map` that are mapped by huge pages. */
static uint64_t huge_kib(const void *map)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long kib = 0;
	unsigned long long start;
	unsigned long long n;
	bool inside = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx", &start, &n) == 2)
			inside = start == (uintptr_t)map;
		else if (inside && (sscanf(line, "ShmemPmdMapped: %llu", &n) == 1 ||
				    sscanf(line, "FilePmdMapped: %llu", &n) == 1))
			kib += n;
	}
	if (f)
		(void)fclose(f);
	return kib;
}

static void map_file(const char *path, uint64_t kib, int64_t seconds)
{
	int fd = open_or_fail(path, O_RDONLY);
	int64_t start = now_ms();
	uint64_t got = 0;
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		fail("fstat");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	(void)close(fd);
	do { /* what was mapped in small pages is mapped again when it is touched again */
		check(map, (uint64_t)st.st_size, 0);
		got = huge_kib(map);
	} while (got < kib && kib != ANY && now_ms() - start < seconds * 1000);
	printf("%llu KiB in huge pages, %lld ms\n", (unsigned long long)got,
	       (long long)(now_ms() - start));
	if (got != kib && kib != ANY)
		exit(1);
}

static void churn_once(const char *path, uint64_t salt)
{
	uint64_t half = (4u << 20) + (salt * 73 % 97) * 4096;
	int fd = open_or_fail(path, O_WRONLY | O_CREAT);
	void *map;

	if (ftruncate(fd, 0) < 0)
		fail("ftruncate");
	stream(fd, 0, half, salt, 65536);
	(void)close(fd); /* is collapsed from here on, while it grows */
	fd = open_or_fail(path, O_RDWR);
	stream(fd, half, 2 * half, salt, 4096);
	map = mmap(NULL, (size_t)(2 * half), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) /* nobody else has it open, so this is never refused */
		fail("mmap");
	(void)close(fd);
	check(map, 2 * half, salt);
	for (uint64_t at = 0; at < 2 * half; at += 4096) /* behind its last close */
		((uint64_t *)map)[at / 8] = at ^ (salt + 1);
	for (uint64_t at = 0; at < 2 * half; at += 4096)
		if (((uint64_t *)map)[at / 8] != (at ^ (salt + 1)))
			fail("mapped write is lost");
	(void)munmap(map, (size_t)(2 * half));
	fd = open_or_fail(path, O_RDONLY);
	for (uint64_t at = 0; at < 2 * half; at += 4096) {
		uint64_t word;

		if (pread(fd, &word, 8, (off_t)at) != 8 || word != (at ^ (salt + 1)))
			fail("mapped write is not read");
	}
	(void)close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "write") == 0) {
		write_file(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	} else if (argc == 5 && strcmp(argv[1], "map") == 0) {
		map_file(argv[2], strcmp(argv[3], "any") == 0 ? ANY : strtoull(argv[3], NULL, 0),
			 atoi(argv[4]));
	} else if (argc == 4 && strcmp(argv[1], "churn") == 0) {
		int64_t end = now_ms() + atoi(argv[3]) * 1000;

		for (uint64_t salt = 0; now_ms() < end; salt++)
			churn_once(argv[2], salt);
	} else {
		fprintf(stderr, "usage: see the source\n");
		return 2;
	}
	return 0;
}
