/* SPDX-License-Identifier: MIT */
/*
 * Pages are asked for with madvise(2), and then touched one by one: only that brings them into page tables that a hypervisor keeps.
 */
#include "takeover/warm.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "util/macro.h"

/* Not in the headers of every release; source: asm-generic/mman-common.h of Linux 5.14. */
#define POPULATE_READ 22
#define POPULATE_WRITE 23

#define PAGE_BYTES ((size_t)4096)

/* Larger ones are reserved for something: the stack of a thread that was, a sanitizer's tables. */
#define MAPPING_MAX ((size_t)16 << 20)
#define WRITABLE_MAX ((size_t)1 << 20)

/* More than there have ever been. Source: four for each library, of which there are eight, and a dozen more. */
#define MAPPINGS_MAX 256

/* Source: a request takes less than half. */
#define STACK_BYTES ((size_t)64 << 10)

/* Of the heap. Source: a worker has taken 1.4 MiB when it serves. */
#define HEAP_BLOCKS 24
#define HEAP_BLOCK_BYTES ((size_t)64 << 10)

/* At a time. Source: in a millisecond where that is slowest. */
#define PIECE_BYTES ((size_t)256 << 10)

struct mapping {
	uint8_t *at;
	size_t size;
	bool writable;
};

/* The process's. */
static struct {
	struct mapping mappings[MAPPINGS_MAX];
	size_t count;
} noted;

/* So that what is below it is not given back to the system when it is freed. Never freed; volatile, or the compiler does without. */
static void *volatile heap_lid;

/* Changes nothing, also if another thread, or process, writes there just now. */
__attribute__((no_sanitize("address", "thread"))) static void touch(uint8_t *p, size_t size,
								    bool writable)
{
	for (size_t at = 0; at < size; at += PAGE_BYTES) {
		if (writable)
			atomic_fetch_or_explicit((_Atomic uint8_t *)(p + at), 0,
						 memory_order_relaxed);
		else
			(void)*(volatile uint8_t *)(p + at);
	}
}

/* A line of /proc/self/maps. */
static void note(const char *line)
{
	uintptr_t from;
	uintptr_t to;
	char rights[8];

	if (noted.count == MAPPINGS_MAX ||
	    sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, rights) != 3)
		return;
	if (rights[0] != 'r' || rights[3] != 'p' ||
	    to - from > (rights[1] == 'w' ? WRITABLE_MAX : MAPPING_MAX))
		return;
	noted.mappings[noted.count++] = (struct mapping){ .at = (uint8_t *)from,
							  .size = to - from,
							  .writable = rights[1] == 'w' };
}

void warm_note(void)
{
	_cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	noted.count = 0;
	while (maps && fgets(line, sizeof(line), maps))
		note(line);
}

/* Whole pages. Not those that cannot be had so, as the kernel's own. */
static void warm(uint8_t *p, size_t size, bool writable, const _Atomic int32_t *stop)
{
	for (size_t at = 0; at < size && !atomic_load(stop); at += PIECE_BYTES) {
		size_t n = MIN_OF(PIECE_BYTES, size - at);

		if (madvise(p + at, n, writable ? POPULATE_WRITE : POPULATE_READ) == 0)
			touch(p + at, n, writable);
	}
}

static void warm_stack(void)
{
	uint8_t below[STACK_BYTES];

	touch(below, sizeof(below), true);
}

static void warm_heap(const _Atomic int32_t *stop)
{
	void *blocks[HEAP_BLOCKS] = { NULL };

	for (size_t i = 0; i < HEAP_BLOCKS && !atomic_load(stop); i++) {
		blocks[i] = malloc(HEAP_BLOCK_BYTES);
		if (blocks[i])
			touch(blocks[i], HEAP_BLOCK_BYTES, true);
	}
	heap_lid = malloc(HEAP_BLOCK_BYTES); /* of a size that nothing below has room for */
	for (size_t i = 0; i < HEAP_BLOCKS; i++)
		free(blocks[i]);
}

/* What is written to first: each of those is a fault, and of others several pages come with one. */
void warm_process(const _Atomic int32_t *stop)
{
	warm_stack();
	warm_heap(stop);
	for (size_t i = 0; i < noted.count; i++) {
		if (noted.mappings[i].writable)
			warm(noted.mappings[i].at, noted.mappings[i].size, true, stop);
	}
	for (size_t i = 0; i < noted.count; i++) {
		if (!noted.mappings[i].writable)
			warm(noted.mappings[i].at, noted.mappings[i].size, false, stop);
	}
}

void warm_keep(const struct keep *k, const _Atomic int32_t *stop)
{
	for (size_t i = 0; i < KEEP_AREA_MAX_; i++) {
		uint8_t *at = keep_area(k, (enum keep_area)i);
		uint8_t *end = at + keep_area_size((enum keep_area)i);
		size_t n;

		if (i == KEEP_BUFFERS ||
		    i == KEEP_HANDOVER) /* each thread's own; not used at a start */
			continue;
		for (;
		     !atomic_load(stop) && (at = keep_find_written(k, at, (size_t)(end - at), &n));
		     at += n)
			warm(at, n, true, stop);
	}
}
