/* SPDX-License-Identifier: MIT */
/*
 * The buffer is as large as a request of the kernel may become; a target of known length has it from the beginning,
 * so that a store in memory gives huge pages at once.
 */
#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "util/cleanup.h"

/* Source: fuse's largest request is 1 MiB, and so is what a pipe of root's may hold. */
#define BUFFER_SIZE ((size_t)1 << 20)

static int write_all(int to, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(to, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 0: not known. */
static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

int transfer(int from, int to, uint64_t *ret_bytes)
{
	_cleanup_free_ char *buf = malloc(BUFFER_SIZE);
	struct progress p;
	uint64_t done = 0;
	int r = buf ? 0 : -ENOMEM;

	progress_begin(&p, size_of(from), NULL);
	while (r == 0) {
		ssize_t n = read(from, buf, BUFFER_SIZE);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : write_all(to, buf, (size_t)n);
		done += n > 0 ? (uint64_t)n : 0;
		progress_at(&p, done);
	}
	progress_end(&p);
	if (r == 0)
		*ret_bytes = done;
	return r;
}

int transfer_to_part(int from, const struct part *to, uint64_t *ret_bytes)
{
	uint64_t size = to->dirfd < 0 ? 0 : size_of(from);
	uint64_t done = 0;
	int r;

	if (size > 0 && ftruncate(to->fd, (off_t)size) < 0)
		return -errno;
	r = transfer(from, to->fd, &done);
	if (r == 0 && size > 0 && done != size && ftruncate(to->fd, (off_t)done) < 0)
		return -errno;
	if (r == 0)
		*ret_bytes = done;
	return r;
}
