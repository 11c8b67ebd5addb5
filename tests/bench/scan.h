/* SPDX-License-Identifier: MIT */
/*
 * Reading a mapped file: all of it, a word of every cache line, so that all its bytes come to the CPU.
 */
#ifndef TESTS_BENCH_SCAN_H
#define TESTS_BENCH_SCAN_H

#include <stdint.h>

struct mapped {
	const char *bytes;
	uint64_t size;
	int fd;
};

/* open, fstat, mmap. */
struct mapped map_open(const char *path);
void map_close(struct mapped *map);

/* mmap of a file that is open, and stays so, and whose size is known. */
struct mapped map_fd(int fd, const char *path, uint64_t size);
void map_drop(struct mapped *map);

/* Read a word of every cache line. The sum is of no use but to the compiler. */
uint64_t scan_lines(const struct mapped *map);

/* Page faults of this process until now. */
uint64_t fault_count(void);

/* How much of what is resident of this mapping is mapped by whole page tables (2 MiB), 0 to 1. */
double pmd_share(const struct mapped *map);

#endif
