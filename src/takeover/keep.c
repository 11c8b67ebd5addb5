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
#include <linux/kcmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "takeover/format.h"
#include "util/cleanup.h"
#include "util/macro.h"

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
static _Atomic uint64_t *kept;

/* Idle ones: a mapping of its own, shared with the workers, and for them alone. NULL: there is none. */
static _Atomic uint64_t *idle;
static void *idle_base; /* owned */

/* What was idle when its worker died: the guardian's. */
static struct {
	int *fds; /* owned */
	size_t count;
	size_t room;
} left;

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

/* Without it all are closed at once. */
static void map_idle(void)
{
	idle_base =
		mmap(NULL, FDS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	idle = idle_base == MAP_FAILED ? NULL : idle_base;
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
		kept = (_Atomic uint64_t *)(void *)(k->base + HEAD_BYTES);
	if (shared)
		map_idle();
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
	if (keep_is_shared(k)) {
		kept = NULL;
		if (idle)
			(void)munmap(TAKE_PTR(idle_base), FDS_BYTES);
		idle = NULL;
	}
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
	return k->base + data;
}

void *keep_have_written(const struct keep *k, void *p, size_t size, size_t *ret_size)
{
	p = keep_find_written(k, p, size, ret_size);
	if (p && keep_is_shared(k))
		(void)madvise(p, *ret_size,
			      POPULATE_WRITE); /* else page by page, as they are used */
	return p;
}

void keep_discard(const struct keep *k, void *p, size_t size)
{
	(void)madvise(p, size, keep_is_shared(k) ? MADV_REMOVE : MADV_DONTNEED);
}

/* ---- descriptors ---- */

static void set(_Atomic uint64_t *bits, int fd, bool on)
{
	uint64_t bit = UINT64_C(1) << ((unsigned int)fd % 64);

	if (!bits || fd < 0 || (unsigned int)fd >= FDS_MAX)
		return;
	if (on)
		atomic_fetch_or(&bits[fd / 64], bit);
	else
		atomic_fetch_and(&bits[fd / 64], ~bit);
}

static bool is_set(const _Atomic uint64_t *bits, int fd)
{
	return bits && fd >= 0 && (unsigned int)fd < FDS_MAX &&
	       atomic_load(&bits[fd / 64]) >> (fd % 64) & 1;
}

void keep_fd(int fd)
{
	set(kept, fd, true);
}

void keep_fd_drop(int fd)
{
	set(kept, fd, false);
}

void keep_fd_idle(int fd)
{
	set(idle, fd, true);
}

void keep_fd_idle_drop(int fd)
{
	set(idle, fd, false);
}

static bool is_kept(int fd)
{
	return is_set(kept, fd);
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

/* To be closed later. */
static bool leave(int fd)
{
	if (left.count == left.room) {
		size_t room = left.room ? left.room * 2 : 1024;
		int *fds = realloc(left.fds, room * sizeof(*fds));

		if (!fds)
			return false;
		left.fds = fds;
		left.room = room;
	}
	left.fds[left.count++] = fd;
	return true;
}

/* What was idle is nobody's from now on: the next worker says anew what is. */
static bool stays(int fd)
{
	bool later = is_set(idle, fd);

	set(idle, fd, false);
	return is_kept(fd) || (later && leave(fd));
}

static bool is_word_zero(const _Atomic uint64_t *bits, int fd)
{
	return !bits || atomic_load(&bits[fd / 64]) == 0;
}

/* The next from fd on of which something was said; `end`: there is none. */
static int next_said(int fd, int end)
{
	while (fd < end && !is_kept(fd) && !is_set(idle, fd))
		fd += fd % 64 == 0 && is_word_zero(kept, fd) && is_word_zero(idle, fd) ? 64 : 1;
	return MIN_OF(fd, end);
}

/* No descriptor has this number, or a greater one. */
static int end_of_table(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return FDS_MAX;
	return (int)MIN_OF(limit.rlim_cur, (rlim_t)FDS_MAX);
}

/* Of two processes. Source: linux/kcmp.h. */
static bool is_same(pid_t pid, int fd)
{
	return syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, fd, fd) == 0;
}

bool keep_can_fetch_fds(const struct keep *k, int pidfd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, k->fd, 0);

	if (copy < 0)
		return false;
	(void)close(copy);
	return true;
}

static int fetch(const struct keep *k, int pidfd, int fd)
{
	int r = 0;
	int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (copy < 0 && errno != EBADF)
		return -errno;
	if (copy < 0 && !keep_can_fetch_fds(k, pidfd)) /* it has none any more: that process ends */
		return -ESRCH;
	if (copy < 0) /* closed since, or was about to be opened when the worker died */
		(void)close(fd);
	if (copy >= 0 && copy != fd && dup3(copy, fd, O_CLOEXEC) < 0)
		r = -errno;
	if (copy >= 0 && copy != fd)
		(void)close(copy);
	return r;
}

int keep_fetch_fds(const struct keep *k, pid_t from, int pidfd)
{
	int end = end_of_table();
	int r = 0;

	for (int fd = next_said(STDERR_FILENO + 1, end); r == 0 && fd < end;
	     fd = next_said(fd + 1, end)) {
		if (is_kept(fd) && !is_same(from, fd))
			r = fetch(k, pidfd, fd);
	}
	return r;
}

/* [from, to) */
static int close_all(int from, int to)
{
	if (from == to)
		return 0;
	return close_range((unsigned int)from, (unsigned int)to - 1, 0) < 0 ? -errno : 0;
}

/* Not one by one by their names in /proc: with some thousands of them that takes longer than all else. */
int keep_close_others(void)
{
	size_t before = left.count;
	int from = STDERR_FILENO + 1;
	int end = end_of_table();
	int r = 0;

	if (!kept)
		return 0;
	for (size_t i = 0; i < before; i++) /* of a worker before the last one */
		set(idle, left.fds[i], true);
	left.count = 0;
	for (int fd = next_said(from, end); r == 0 && fd < end; fd = next_said(fd + 1, end)) {
		if (!stays(fd))
			continue;
		r = close_all(from, fd);
		from = fd + 1;
	}
	return r < 0 ? r : close_all(from, end);
}

bool keep_close_left(size_t n)
{
	for (; n > 0 && left.count > 0; n--)
		(void)close(left.fds[--left.count]);
	return left.count > 0;
}
