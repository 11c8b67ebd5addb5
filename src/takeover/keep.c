/* SPDX-License-Identifier: MIT */
/*
 * One memfd, mapped once:
 *
 *     head, a page | a bit for each kept descriptor | the areas
 */
#include "takeover/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "takeover/format.h"
#include "util/cleanup.h"

/* Not in the headers of every release; source: asm-generic/mman-common.h of Linux 5.14. */
#define POPULATE_WRITE 23

/* Descriptors that can be kept. Source: the kernel's default for fs.nr_open. */
#define FDS_MAX (1U << 20)

#define FDS_BYTES ((size_t)FDS_MAX / 8)
#define HEAD_BYTES ((size_t)4096)
#define MAGIC "batonfs keep"

/* Bytes; whole pages. Sources: what is said of them where they are used, and room to grow. */
static const size_t sizes[KEEP_AREA_MAX_] = {
	[KEEP_WORKER] = (size_t)4 << 10,    [KEEP_CONFIG] = (size_t)64 << 10,
	[KEEP_HANDOVER] = (size_t)1 << 20,  [KEEP_SESSION] = (size_t)64 << 10,
	[KEEP_REQUESTS] = (size_t)16 << 20, [KEEP_BUFFERS] = (size_t)256 << 20,
	[KEEP_CONTROL] = (size_t)64 << 20,  [KEEP_NAMES] = (size_t)2 << 20,
	[KEEP_INODES] = (size_t)8 << 30,
};

/* In this place in every format. */
struct head {
	char magic[16];
	char format[KEEP_FORMAT_MAX];
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
	size_t at = HEAD_BYTES + FDS_BYTES;

	for (size_t i = 0; i < (size_t)area; i++)
		at += sizes[i];
	return at;
}

static struct head *head(const struct keep *k)
{
	return (struct head *)(void *)k->base;
}

/* fd -1: of nobody else's. */
static int map(struct keep *k, int fd)
{
	bool shared = fd >= 0;
	int flags = (shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_NORESERVE;
	int prot = shared ? PROT_READ | PROT_WRITE
			  : PROT_NONE; /* what is only reserved is not counted */
	void *p;

	k->size = offset_of(KEEP_AREA_MAX_);
	p = mmap(NULL, k->size, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	(void)madvise(p, k->size, MADV_DONTDUMP); /* a core would be as large as the table */
	k->base = p;
	k->fd = fd;
	if (shared)
		kept = (_Atomic uint8_t *)k->base + HEAD_BYTES;
	return 0;
}

static int map_new(struct keep *k)
{
	_cleanup_close_ int fd = memfd_create("batonfs", MFD_CLOEXEC);
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)offset_of(KEEP_AREA_MAX_)) < 0)
		return -errno;
	r = map(k, fd);
	if (r < 0)
		return r;
	memcpy(head(k)->magic, MAGIC, sizeof(MAGIC));
	keep_fd(TAKE_FD(fd));
	return 0;
}

int keep_new(bool shared, struct keep **ret)
{
	_cleanup_free_ struct keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	r = shared ? map_new(k) : map(k, -1);
	if (r < 0)
		return r;
	for (size_t i = 0; !shared && i < KEEP_INODES; i++) {
		if (i == KEEP_REQUESTS || i == KEEP_BUFFERS || i == KEEP_HANDOVER ||
		    i == KEEP_NAMES) /* for the next process: there is none */
			continue;
		if (keep_commit(k, keep_area(k, (enum keep_area)i), sizes[i]) < 0) {
			keep_free(TAKE_PTR(k));
			return -ENOMEM;
		}
	}
	*ret = TAKE_PTR(k);
	return 0;
}

/* 0; -EINVAL: it is none; -EPROTONOSUPPORT and what it says. */
static int check_head(int fd, const char *format, char ret_format[KEEP_FORMAT_MAX])
{
	struct head h = { 0 };

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || memcmp(h.magic, MAGIC, sizeof(MAGIC)) != 0)
		return -EINVAL;
	h.format[sizeof(h.format) - 1] = '\0';
	memcpy(ret_format, h.format, sizeof(h.format));
	return strcmp(h.format, format) == 0 ? 0 : -EPROTONOSUPPORT;
}

int keep_attach(int fd, const char *format, char ret_format[KEEP_FORMAT_MAX], struct keep **ret)
{
	_cleanup_free_ struct keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	r = check_head(fd, format, ret_format);
	if (r == 0)
		r = map(k, fd);
	if (r == 0)
		*ret = TAKE_PTR(k);
	return r;
}

void keep_set_format(struct keep *k, const char *format)
{
	if (keep_is_shared(k))
		(void)snprintf(head(k)->format, KEEP_FORMAT_MAX, "%s", format);
}

uint64_t keep_layout(void)
{
	uint64_t h = layout_begin();

	for (size_t i = 0; i < KEEP_AREA_MAX_; i++)
		h = layout_add(h, sizes[i]);
	return layout_add(h, FDS_BYTES);
}

int keep_memory_fd(const struct keep *k)
{
	return k->fd;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	if (keep_is_shared(k))
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

void *keep_find_written(const struct keep *k, void *p, size_t size, size_t *ret_size)
{
	off_t from = (uint8_t *)p - k->base;
	off_t end = from + (off_t)size;
	off_t data;
	off_t hole;

	if (size == 0)
		return NULL;
	*ret_size = size;
	if (!keep_is_shared(k))
		return p;
	data = lseek(k->fd, from, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		return p; /* then it takes longer */
	if (data < 0 || data >= end)
		return NULL;
	hole = lseek(k->fd, data, SEEK_HOLE);
	*ret_size = (size_t)((hole < 0 || hole > end ? end : hole) - data);
	p = k->base + data;
	(void)madvise(p, *ret_size, POPULATE_WRITE); /* else page by page, as they are used */
	return p;
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

/* Those that are not kept lose nothing: they end with the program in any case. */
static bool let_through(int fd)
{
	if (fd > STDERR_FILENO)
		(void)fcntl(fd, F_SETFD, is_kept(fd) ? 0 : FD_CLOEXEC);
	return true;
}

static bool hold_back(int fd)
{
	if (fd > STDERR_FILENO)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return true;
}

int keep_fds_over_exec(bool over)
{
	return each_fd(over ? let_through : hold_back);
}

int keep_all_fds(void)
{
	return each_fd(keep_one);
}

int keep_close_others(void)
{
	return each_fd(close_unless_kept);
}
