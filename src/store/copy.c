/* SPDX-License-Identifier: MIT */
/*
 * Copied from a mapping of the source, so that the bytes are moved once. A source that is cut short, or cannot be
 * read, then fails the write (EFAULT): no signal, because the kernel does the reading.
 */
#include "store/copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fault.h"

/* Compared at once. Source: two of them fit the second-level cache. */
#define COMPARE_SIZE (UINT64_C(256) << 10)

static int write_all(int to, const char *data, uint64_t len, uint64_t at)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n =
			FAULT_CALL("copy", pwrite(to, data + done, len - done, (off_t)(at + done)));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EFAULT ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

static int copy_piece(int from, int to, uint64_t at, uint64_t len)
{
	uint64_t skew = at % (uint64_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, len + skew, PROT_READ, MAP_SHARED, from, (off_t)(at - skew));
	int r;

	if (map == MAP_FAILED)
		return -errno;
	r = write_all(to, map + skew, len, at);
	(void)munmap(map, len + skew);
	return r;
}

/* A run of data; its pieces end at multiples of a piece, so that each is whole huge pages. */
static int copy_run(int from, int to, uint64_t at, uint64_t end, copy_may_fn *may, void *ctx)
{
	while (at < end) {
		uint64_t len = MIN_OF(end - at, COPY_PIECE - at % COPY_PIECE);
		int r = !may || may(ctx) ? copy_piece(from, to, at, len) : -ECANCELED;

		if (r < 0)
			return r;
		at += len;
	}
	return 0;
}

int copy_content(int from, int to, uint64_t bytes, copy_may_fn *may, void *ctx)
{
	off_t at = 0;

	if (FAULT_CALL("reflink", ioctl(to, FICLONE, from)) == 0)
		return 0;
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
		return -errno;
	while ((uint64_t)at < bytes) {
		off_t end;
		int r;

		at = lseek(from, at, SEEK_DATA);
		end = at < 0 ? -1 : lseek(from, at, SEEK_HOLE);
		if (end < 0) /* ENXIO: only a hole is left */
			return errno == ENXIO ? 0 : -errno;
		r = copy_run(from, to, (uint64_t)at, MIN_OF((uint64_t)end, bytes), may, ctx);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

/* Fill the buffer from `at`; less than `len` at the end of the file. */
static int64_t read_at(int fd, char *buffer, uint64_t len, uint64_t at)
{
	uint64_t done = 0;

	while (done < len) {
		ssize_t n = FAULT_CALL("compare",
				       pread(fd, buffer + done, len - done, (off_t)(at + done)));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

int copy_compare(int a, int b, uint64_t bytes, copy_may_fn *may, void *ctx)
{
	_cleanup_free_ char *buffer = malloc(2 * COMPARE_SIZE);

	if (!buffer)
		return -ENOMEM;
	for (uint64_t at = 0; at < bytes; at += COMPARE_SIZE) {
		uint64_t len = MIN_OF(bytes - at, COMPARE_SIZE);
		int64_t na, nb;

		if (at % COPY_PIECE == 0 && may && !may(ctx))
			return -ECANCELED;
		na = read_at(a, buffer, len, at);
		nb = read_at(b, buffer + COMPARE_SIZE, len, at);
		if (na < 0 || nb < 0)
			return (int)(na < 0 ? na : nb);
		if (na != (int64_t)len || nb != (int64_t)len ||
		    memcmp(buffer, buffer + COMPARE_SIZE, len) != 0)
			return 0;
	}
	return 1;
}
