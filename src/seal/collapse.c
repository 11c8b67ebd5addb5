/* SPDX-License-Identifier: MIT */
/*
 * Collapsing by pieces. Nothing is ever read through the mapping, so a file that is cut short meanwhile cannot
 * send SIGBUS.
 */
#include "seal/collapse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fault.h"

/* Linux 6.1; missing in older headers. Source: asm-generic/mman-common.h */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* How often a piece is tried of which a page was busy (EAGAIN). Source: being read or on its way to a list. */
#define TRIES 3

/* `at` and `len` are multiples of a huge page. */
static int collapse_piece(int fd, uint64_t at, uint64_t len)
{
	size_t room = len + COLLAPSE_PAGE; /* for an address that is aligned, too */
	char *area =
		mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *map;
	int r = 0;

	if (area == MAP_FAILED)
		return -errno;
	map = area + (COLLAPSE_PAGE - (uintptr_t)area % COLLAPSE_PAGE) % COLLAPSE_PAGE;
	if (mmap(map, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)at) == MAP_FAILED)
		r = -errno;
	for (int i = 0; r == 0 && i < TRIES; i++) {
		if (FAULT_CALL("collapse", madvise(map, len, MADV_COLLAPSE)) == 0)
			break;
		r = errno == EAGAIN && i + 1 < TRIES ? 0 : -errno;
	}
	(void)munmap(area, room);
	return r;
}

/* What lies whole between two offsets. */
static int collapse_range(int fd, uint64_t from, uint64_t to, collapse_may_fn *may, void *ctx,
			  uint64_t *done)
{
	uint64_t at = (from + COLLAPSE_PAGE - 1) / COLLAPSE_PAGE * COLLAPSE_PAGE;
	int busy = 0;

	while (at + COLLAPSE_PAGE <= to) {
		uint64_t len = MIN_OF((to - at) / COLLAPSE_PAGE * COLLAPSE_PAGE, COLLAPSE_PIECE);
		int r;

		if (!may(ctx, len))
			return -ECANCELED;
		r = collapse_piece(fd, at, len);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == 0)
			*done += len;
		else
			busy = r;
		at += len;
	}
	return busy;
}

int collapse_fd(int fd, collapse_may_fn *may, void *ctx, uint64_t *ret_bytes)
{
	off_t at = 0;
	off_t end;
	int busy = 0;
	int r;

	*ret_bytes = 0;
	for (;;) {
		at = lseek(fd, at, SEEK_DATA);
		end = at < 0 ? -1 : lseek(fd, at, SEEK_HOLE);
		if (end < 0) /* ENXIO: no more data, or cut short meanwhile */
			return errno == ENXIO ? busy : -errno;
		r = collapse_range(fd, (uint64_t)at, (uint64_t)end, may, ctx, ret_bytes);
		if (r < 0 && r != -EAGAIN)
			return r;
		busy = r < 0 ? r : busy;
		at = end;
	}
}
