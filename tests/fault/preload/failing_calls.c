/* SPDX-License-Identifier: MIT */
/*
 * Loaded before the C library (LD_PRELOAD) by every_call.sh: any call of a process, its libraries' as well, can be made
 * to fail. FAILING_CALLS names a file of this layout, which the test and the process map:
 *
 *     at its beginning          struct control, all in the machine's byte order
 *
 * Calls are counted from when `armed` was set, by all threads; that with the number `first`, and those up to `last`, fail
 * with `error`, and are not made. What a request is read and answered by is left alone (read, writev), as are those that
 * give up or give back (close, munmap, free).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum what { CALLS = 1, ALLOCATIONS = 2 };

struct control {
	_Atomic uint32_t armed; /* enum what, of which are counted */
	_Atomic uint32_t count;
	uint32_t first;
	uint32_t last;
	uint32_t error;
	_Atomic uint32_t hits;
	char name[32]; /* of the last that failed */
};

static struct control *control;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAILING_CALLS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		control = p;
	if (fd >= 0)
		(void)close(fd);
}

static bool fails(enum what what, const char *name)
{
	uint32_t n;

	if (!control || !(atomic_load(&control->armed) & what))
		return false;
	n = atomic_fetch_add(&control->count, 1) + 1;
	if (n < control->first || n > control->last)
		return false;
	atomic_fetch_add(&control->hits, 1);
	(void)strncpy(control->name, name, sizeof(control->name) - 1);
	errno = (int)control->error;
	return true;
}

#define REAL(name)                                                                                 \
	static __typeof__(name) *real;                                                             \
                                                                                                   \
	if (!real)                                                                                 \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* CALL(result, name, (parameters), (arguments)): one that returns -1. */
#define CALL(result, name, parameters, arguments)                                                  \
	result name parameters                                                                     \
	{                                                                                          \
		REAL(name);                                                                        \
		return fails(CALLS, #name) ? (result)-1 : real arguments;                          \
	}

/* The same for open(2)'s kind, with a mode if there is one. */
#define OPEN_CALL(name, parameters, arguments)                                                     \
	int name parameters                                                                        \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list ap;                                                                        \
		REAL(name);                                                                        \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		return fails(CALLS, #name) ? -1 : real arguments;                                  \
	}

OPEN_CALL(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN_CALL(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN_CALL(openat, (int dirfd, const char *path, int flags, ...), (dirfd, path, flags, mode))
OPEN_CALL(openat64, (int dirfd, const char *path, int flags, ...), (dirfd, path, flags, mode))

/* With one argument of a pointer's size, if there is one. */
#define REQUEST_CALL(name, type, fails)                                                            \
	int name(int fd, type request, ...)                                                        \
	{                                                                                          \
		void *arg;                                                                         \
		va_list ap;                                                                        \
		REAL(name);                                                                        \
                                                                                                   \
		va_start(ap, request);                                                             \
		arg = va_arg(ap, void *);                                                          \
		va_end(ap);                                                                        \
		return (fails) ? -1 : real(fd, request, arg);                                      \
	}

static bool gives_up(int request, const void *arg)
{
	return (request == F_SETLEASE && (intptr_t)arg == F_UNLCK) ||
	       (request == F_SETLK && ((const struct flock *)arg)->l_type == F_UNLCK);
}

REQUEST_CALL(ioctl, unsigned long, fails(CALLS, "ioctl"))
/* To give up a lock never fails. */
REQUEST_CALL(fcntl, int, !gives_up(request, arg) && fails(CALLS, "fcntl"))
REQUEST_CALL(fcntl64, int, !gives_up(request, arg) && fails(CALLS, "fcntl64"))

CALL(int, open_by_handle_at, (int fd, struct file_handle *h, int flags), (fd, h, flags))
CALL(int, name_to_handle_at,
     (int fd, const char *name, struct file_handle *h, int *mount, int flags),
     (fd, name, h, mount, flags))
CALL(int, fstat, (int fd, struct stat *st), (fd, st))
CALL(int, fstat64, (int fd, struct stat64 *st), (fd, st))
CALL(int, stat, (const char *path, struct stat *st), (path, st))
CALL(int, stat64, (const char *path, struct stat64 *st), (path, st))
CALL(int, lstat, (const char *path, struct stat *st), (path, st))
CALL(int, lstat64, (const char *path, struct stat64 *st), (path, st))
CALL(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags))
CALL(int, fstatat64, (int fd, const char *path, struct stat64 *st, int flags),
     (fd, path, st, flags))
CALL(int, statx, (int fd, const char *path, int flags, unsigned int mask, struct statx *stx),
     (fd, path, flags, mask, stx))
CALL(int, fstatfs, (int fd, struct statfs *st), (fd, st))
CALL(int, fstatfs64, (int fd, struct statfs64 *st), (fd, st))
CALL(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
CALL(int, mknodat, (int fd, const char *path, mode_t mode, dev_t dev), (fd, path, mode, dev))
CALL(int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path))
CALL(int, linkat, (int from, const char *old, int to, const char *new, int flags),
     (from, old, to, new, flags))
CALL(int, renameat2, (int from, const char *old, int to, const char *new, unsigned int flags),
     (from, old, to, new, flags))
CALL(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
CALL(int, rename, (const char *old, const char *new), (old, new))
CALL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
CALL(int, unlink, (const char *path), (path))
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
CALL(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
CALL(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags),
     (fd, path, times, flags))
CALL(int, ftruncate, (int fd, off_t length), (fd, length))
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length))
CALL(int, fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length))
CALL(int, fallocate64, (int fd, int mode, off64_t offset, off64_t length),
     (fd, mode, offset, length))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, access, (const char *path, int mode), (path, mode))
CALL(ssize_t, pread, (int fd, void *buf, size_t n, off_t offset), (fd, buf, n, offset))
CALL(ssize_t, pread64, (int fd, void *buf, size_t n, off64_t offset), (fd, buf, n, offset))
CALL(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t offset), (fd, buf, n, offset))
CALL(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t offset), (fd, buf, n, offset))
CALL(ssize_t, copy_file_range,
     (int in, off64_t *in_off, int out, off64_t *out_off, size_t n, unsigned int flags),
     (in, in_off, out, out_off, n, flags))
CALL(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n))
CALL(ssize_t, readlinkat, (int fd, const char *path, char *buf, size_t n), (fd, path, buf, n))
CALL(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t n), (fd, name, value, n))
CALL(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t n),
     (path, name, value, n))
CALL(ssize_t, flistxattr, (int fd, char *list, size_t n), (fd, list, n))
CALL(ssize_t, listxattr, (const char *path, char *list, size_t n), (path, list, n))
CALL(int, fsetxattr, (int fd, const char *name, const void *value, size_t n, int flags),
     (fd, name, value, n, flags))
CALL(int, setxattr, (const char *path, const char *name, const void *value, size_t n, int flags),
     (path, name, value, n, flags))
CALL(int, fremovexattr, (int fd, const char *name), (fd, name))
CALL(int, removexattr, (const char *path, const char *name), (path, name))
CALL(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
CALL(off64_t, lseek64, (int fd, off64_t offset, int whence), (fd, offset, whence))

DIR *fdopendir(int fd)
{
	REAL(fdopendir);
	return fails(CALLS, "fdopendir") ? NULL : real(fd);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	REAL(mmap);
	return fails(CALLS, "mmap") ? MAP_FAILED : real(at, n, prot, flags, fd, offset);
}

/* Which says the error itself. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	REAL(pthread_create);
	return fails(CALLS, "pthread_create") ? EAGAIN : real(thread, attr, start, arg);
}

void *malloc(size_t size)
{
	return fails(ALLOCATIONS, "malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(ALLOCATIONS, "calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(ALLOCATIONS, "realloc") ? NULL : __libc_realloc(p, size);
}
