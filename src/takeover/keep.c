/* SPDX-License-Identifier: MIT */
/*
 * One memfd, mapped once; a bit for each kept descriptor.
 */
#include "takeover/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Descriptors that can be kept. Source: the kernel's default for fs.nr_open. */
#define FDS_MAX (1U << 20)

/* The bits of the descriptors come first. */
#define FDS_BYTES ((size_t)FDS_MAX / 8)

/* Bytes; whole pages. Sources: what is said of them where they are used, and room to grow. */
static const size_t sizes[KEEP_AREA_MAX_] = {
	[KEEP_WORKER] = (size_t)4 << 10,    [KEEP_CONFIG] = (size_t)64 << 10,
	[KEEP_SESSION] = (size_t)64 << 10,  [KEEP_REQUESTS] = (size_t)16 << 20,
	[KEEP_BUFFERS] = (size_t)256 << 20, [KEEP_CONTROL] = (size_t)64 << 20,
	[KEEP_INODES] = (size_t)8 << 30,
};

struct keep {
	uint8_t *base; /* owned mapping */
	size_t size;
	int fd; /* owned; -1 if it is not shared */
};

/* The table of descriptors is the process's, so there is one set of bits; NULL: nothing is kept. */
static _Atomic uint8_t *kept;

static size_t offset_of(enum keep_area area)
{
	size_t at = FDS_BYTES;

	for (size_t i = 0; i < (size_t)area; i++)
		at += sizes[i];
	return at;
}

int keep_new(bool shared, struct keep **ret)
{
	_cleanup_free_ struct keep *k = calloc(1, sizeof(*k));
	int flags = (shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_NORESERVE;
	int prot = shared ? PROT_READ | PROT_WRITE
			  : PROT_NONE; /* what is only reserved is not counted */
	void *p;

	if (!k)
		return -ENOMEM;
	k->size = offset_of(KEEP_AREA_MAX_);
	k->fd = -1;
	if (shared) {
		k->fd = memfd_create("batonfs", MFD_CLOEXEC);
		if (k->fd < 0)
			return -errno;
		if (ftruncate(k->fd, (off_t)k->size) < 0) {
			(void)safe_close(k->fd);
			return -errno;
		}
	}
	p = mmap(NULL, k->size, prot, flags, k->fd, 0);
	if (p == MAP_FAILED) {
		(void)safe_close(k->fd);
		return -errno;
	}
	(void)madvise(p, k->size, MADV_DONTDUMP); /* a core would be as large as the table */
	k->base = p;
	if (shared) {
		kept = (_Atomic uint8_t *)k->base;
		keep_fd(k->fd);
	}
	for (size_t i = 0; !shared && i < KEEP_INODES; i++) {
		if (i == KEEP_REQUESTS ||
		    i == KEEP_BUFFERS) /* for the next process: there is none */
			continue;
		if (keep_commit(k, keep_area(k, (enum keep_area)i), sizes[i]) < 0) {
			keep_free(TAKE_PTR(k));
			return -ENOMEM;
		}
	}
	*ret = TAKE_PTR(k);
	return 0;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	if (kept == (_Atomic uint8_t *)k->base)
		kept = NULL;
	(void)munmap(k->base, k->size);
	(void)safe_close(k->fd);
	free(k);
}

bool keep_is_shared(const struct keep *k)
{
	return k->fd >= 0;
}

void *keep_area(const struct keep *k, enum keep_area area)
{
	return k->base + offset_of(area);
}

size_t keep_area_size(enum keep_area area)
{
	return sizes[area];
}

int keep_commit(const struct keep *k, void *p, size_t size)
{
	off_t at = (uint8_t *)p - k->base;

	if (!keep_is_shared(k))
		return mprotect(p, size, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
	return fallocate(k->fd, 0, at, (off_t)size) < 0 ? -errno : 0;
}

void keep_discard(const struct keep *k, void *p, size_t size)
{
	(void)madvise(p, size, keep_is_shared(k) ? MADV_REMOVE : MADV_DONTNEED);
}

/* ---- descriptors ---- */

static bool has_bit(int fd)
{
	return kept && fd >= 0 && (unsigned int)fd < FDS_MAX;
}

void keep_fd(int fd)
{
	if (has_bit(fd))
		atomic_fetch_or(&kept[fd / 8], (uint8_t)(1U << (fd % 8)));
}

void keep_fd_drop(int fd)
{
	if (has_bit(fd))
		atomic_fetch_and(&kept[fd / 8], (uint8_t) ~(1U << (fd % 8)));
}

static bool is_kept(int fd)
{
	return has_bit(fd) && atomic_load(&kept[fd / 8]) & (1U << (fd % 8));
}

static int each_fd(bool (*each)(int fd))
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((errno = 0, d = readdir(dir))) {
		int fd = atoi(d->d_name); /* "." and ".." are 0, which stays */

		if (fd != dirfd(dir) && !each(fd))
			break;
	}
	return -errno;
}

static bool keep_one(int fd)
{
	keep_fd(fd);
	return true;
}

static bool close_unless_kept(int fd)
{
	if (fd > STDERR_FILENO && !is_kept(fd))
		(void)close(fd);
	return true;
}

int keep_all_fds(void)
{
	return each_fd(keep_one);
}

int keep_close_others(void)
{
	return each_fd(close_unless_kept);
}
