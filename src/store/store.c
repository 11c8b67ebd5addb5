/* SPDX-License-Identifier: MIT */
/*
 * Opening a store: find it, lock it, prove that its filesystem will do, lay it out.
 */
#include "store/store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/dirprobe.h"
#include "store/mark.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/parse.h"

#define FORMAT_TEXT "batonfs store, format "

PRINTF(3, 4) static int fail(struct store_error *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return err;
}

static int open_memory(const char *size, struct store *st, struct store_error *error)
{
	uint64_t total = memory_total_bytes();
	uint64_t bytes;
	int r = parse_share(size ? size : "50%", total, &bytes);

	if (r < 0)
		return fail(error, -EINVAL,
			    "memory:%s: not a size; give bytes with K, M, G or T, or 1%% to 100%%",
			    size);
	if (bytes < 1 << 20)
		return fail(error, -EINVAL, "memory:%s: less than 1M is too small for a store",
			    size ? size : "");
	if (bytes > total)
		return fail(error, -EINVAL,
			    "memory:%s: more than the %" PRIu64
			    " MiB this machine or container has",
			    size ? size : "", total >> 20);
	r = memory_mount(bytes, &st->ns, &st->huge);
	if (r == -EPERM)
		return fail(error, r,
			    "memory: no privilege to mount a private tmpfs; run batonfs as root "
			    "(CAP_SYS_ADMIN)");
	if (r < 0)
		return fail(error, r, "memory: cannot mount a private tmpfs at %s: %s", MEMORY_PATH,
			    strerror(-r));
	st->memory = true;
	st->path = strdup(MEMORY_PATH);
	return st->path ? 0 : -ENOMEM;
}

/* It cannot be reached; for lack of privilege there is a cure. */
static int fail_open(struct store_error *error, const char *path, int err)
{
	return fail(error, -err, "store %s: %s%s", path, strerror(err),
		    err == EACCES ? "; run batonfs as root" : "");
}

static int find_directory(const char *source, struct store *st, struct store_error *error)
{
	st->path = realpath(source, NULL);
	if (st->path)
		return 0;
	if (errno == ENOENT && strchr(source, ':') && !strchr(source, '/'))
		return fail(error, -ENOENT,
			    "store %s does not exist; one in memory is written memory:SIZE",
			    source);
	if (errno == ENOENT)
		return fail(error, -ENOENT,
			    "store %s does not exist; make it with: mkdir -p -m 0700 %s", source,
			    source);
	return fail_open(error, source, errno);
}

/* The lock file names the format. 0, -ENODATA if it is none of ours, -EPROTONOSUPPORT. */
static int read_format(int fd, unsigned long *ret)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (strncmp(text, FORMAT_TEXT, strlen(FORMAT_TEXT)) != 0)
		return -ENODATA;
	*ret = strtoul(text + strlen(FORMAT_TEXT), &end, 10);
	if (!isdigit((unsigned char)text[strlen(FORMAT_TEXT)]) || *end != '\n')
		return -ENODATA;
	return *ret > STORE_FORMAT ? -EPROTONOSUPPORT : 0;
}

static int take_lock(struct store *st, struct store_error *error)
{
	if (flock(st->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fail(error, -EBUSY,
			    "store %s is in use by another batonfs; unmount that first, or give "
			    "each mount a store of its own",
			    st->path);
	return fail(error, -errno, "store %s/lock: %s", st->path, strerror(errno));
}

/* Write the format into the lock file. */
static int write_format(struct store *st)
{
	char text[64];
	int len = snprintf(text, sizeof(text), FORMAT_TEXT "%d\n", STORE_FORMAT);
	ssize_t n = pwrite(st->lock_fd, text, (size_t)len, 0);

	if (n != len)
		return n < 0 ? -errno : -ENOSPC;
	return fsync(st->lock_fd) < 0 ? -errno : 0;
}

/* Lock a store that exists, and read its format. -ENOENT: it is none yet. */
static int open_existing(struct store *st, struct store_error *error)
{
	unsigned long format = 0;
	int r;

	st->lock_fd = openat(st->fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (st->lock_fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (st->lock_fd < 0)
		return fail(error, -errno, "store %s/lock: %s", st->path, strerror(errno));
	r = take_lock(st, error);
	if (r < 0)
		return r;
	r = read_format(st->lock_fd, &format);
	if (r == -EPROTONOSUPPORT)
		return fail(
			error, r,
			"store %s has format %lu, this batonfs reads up to %d; use a newer batonfs",
			st->path, format, STORE_FORMAT);
	if (r == -ENODATA)
		return fail(error, -ENOTEMPTY,
			    "%s/lock is not a batonfs store's; give an empty directory", st->path);
	if (r == 0 && format < STORE_FORMAT)
		r = write_format(st); /* the same length: whole or not at all */
	return r < 0 ? fail(error, r, "store %s/lock: %s", st->path, strerror(-r)) : 0;
}

/* Marks are extended attributes; the store's own lock file serves for the trial. */
static int check_marks(struct store *st, struct store_error *error)
{
	int r = mark_set(st->lock_fd, MARK_PINNED, 0);

	if (r == 0)
		r = mark_clear(st->lock_fd, MARK_PINNED);
	if (r == -EPERM)
		return fail(
			error, r,
			"store %s: no privilege to mark its files (trusted extended attributes); run batonfs as "
			"root (CAP_SYS_ADMIN)",
			st->path);
	if (r < 0)
		return fail(error, r,
			    "store %s: its filesystem (%s) refuses trusted extended attributes: %s",
			    st->path, st->filesystem, strerror(-r));
	return 0;
}

/*
 * A lock file with a name is complete and locked by whoever made it: a directory without one is not a store
 * yet, and two makers cannot meet.
 */
static int create_new(struct store *st, struct store_error *error)
{
	int r = dirprobe_empty(st->fd);

	if (r < 0)
		return fail(error, r, "store %s: %s", st->path, strerror(-r));
	if (r == 0)
		return fail(
			error, -ENOTEMPTY,
			"store %s is neither empty nor a batonfs store; give an empty directory",
			st->path);
	st->lock_fd = openat(st->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (st->lock_fd < 0)
		return fail(error, -errno, "store %s: cannot write: %s", st->path, strerror(errno));
	r = take_lock(st, error);
	if (r == 0)
		r = check_marks(st, error);
	if (r < 0)
		return r;
	r = write_format(st);
	if (r == 0 && linkat(st->lock_fd, "", st->fd, "lock", AT_EMPTY_PATH) < 0)
		r = errno == EEXIST ? -EBUSY : -errno; /* somebody was faster */
	return r < 0 ? fail(error, r, "store %s/lock: %s", st->path, strerror(-r)) : 0;
}

static int open_subdirectory(struct store *st, const char *name, mode_t mode, int *ret,
			     struct store_error *error)
{
	if (mkdirat(st->fd, name, mode) == 0) {
		/* The process's umask does not count here. */
		if (fchmodat(st->fd, name, mode, 0) < 0)
			return fail(error, -errno, "store %s/%s: %s", st->path, name,
				    strerror(errno));
	} else if (errno != EEXIST) {
		return fail(error, -errno, "store %s/%s: %s", st->path, name, strerror(errno));
	}
	*ret = openat(st->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return fail(error, -errno, "store %s/%s: %s", st->path, name, strerror(errno));
	return 0;
}

/* Prove before anything is written what is needed all the time: handles. */
static int check_handles(struct store *st, struct store_error *error)
{
	int r = dirprobe_handles(st->fd);

	if (r == -EOPNOTSUPP)
		return fail(error, r,
			    "store %s: its filesystem (%s) has no file handles; use a directory on "
			    "ext4, XFS, btrfs or tmpfs, or memory",
			    st->path, st->filesystem);
	if (r == -EPERM)
		return fail(error, r,
			    "no privilege to open files by handle; run batonfs as root "
			    "(CAP_DAC_READ_SEARCH)");
	return r < 0 ? fail(error, r, "store %s: file handles: %s", st->path, strerror(-r)) : 0;
}

/* What is not known to keep an order is taken for one that does not. */
static int open_blobs(struct store *st)
{
	const char *fs = st->filesystem;
	int r = blobs_new(st->blobs_fd, strcmp(fs, "tmpfs") != 0, &st->blobs);

	if (r == 0 && strcmp(fs, "ext4") != 0 && strcmp(fs, "xfs") != 0)
		blobs_set_unordered(st->blobs);
	return r;
}

static int open_subdirectories(struct store *st, struct store_error *error)
{
	int r = open_subdirectory(st, "tree", 01777, &st->tree_fd, error);

	if (r == 0)
		r = open_subdirectory(st, "trash", 0700, &st->trash_fd, error);
	if (r == 0)
		r = open_subdirectory(st, "blobs", 0700, &st->blobs_fd, error);
	if (r < 0)
		return r;
	r = handle_at(st->tree_fd, "", &st->tree);
	if (r < 0)
		return fail(error, r, "store %s/tree: %s", st->path, strerror(-r));
	return open_blobs(st);
}

/* What there was before: an empty directory. */
static void undo_new(struct store *st)
{
	(void)unlinkat(st->fd, "tree",
		       AT_REMOVEDIR); /* the error that led here is the one to tell */
	(void)unlinkat(st->fd, "trash", AT_REMOVEDIR);
	(void)unlinkat(st->fd, "blobs", AT_REMOVEDIR);
	(void)unlinkat(st->fd, "lock", 0);
}

static int lay_out_new(struct store *st, struct store_error *error)
{
	int r = create_new(st, error);

	if (r < 0)
		return r;
	r = open_subdirectories(st, error);
	if (r == 0 && fchmod(st->fd, 0700) < 0)
		r = fail(error, -errno, "store %s: cannot make it private (mode 0700): %s",
			 st->path, strerror(errno));
	if (r < 0)
		undo_new(st);
	return r;
}

static int lay_out(struct store *st, struct store_error *error)
{
	int r = open_existing(st, error);

	if (r == -ENOENT)
		return lay_out_new(st, error);
	if (r == 0)
		r = check_marks(st, error);
	return r < 0 ? r : open_subdirectories(st, error);
}

int store_open(const char *source, struct store *ret, struct store_error *error)
{
	struct store st = {
		.ns = { MEMORY_NOWHERE, MEMORY_NOWHERE },
		.fd = -1,
		.lock_fd = -1,
		.tree_fd = -1,
		.trash_fd = -1,
		.blobs_fd = -1,
	};
	int r;

	error->text[0] = '\0';
	if (strcmp(source, "memory") == 0 || strncmp(source, "memory:", 7) == 0)
		r = open_memory(source[6] ? source + 7 : NULL, &st, error);
	else
		r = find_directory(source, &st, error);
	if (r < 0)
		goto out;

	st.fd = open(st.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st.fd < 0) {
		r = fail_open(error, st.path, errno);
		goto out;
	}
	st.filesystem = dirprobe_filesystem(st.fd);
	r = check_handles(&st, error);
	if (r == 0)
		r = lay_out(&st, error);
out:
	if (r < 0) {
		if (!error->text[0])
			(void)fail(error, r, "store %s: %s", source, strerror(-r));
		(void)!store_leave(&st); /* a private tmpfs goes with the namespace */
		store_close(&st);
		return r;
	}
	*ret = st;
	return 0;
}

void store_find_again(struct store *st)
{
	struct procfd link = procfd(st->fd);
	char path[PATH_MAX];
	ssize_t n = readlink(link.name, path, sizeof(path) - 1);
	struct stat there;
	struct stat own;
	char *found;

	if (n <= 0 || st->memory || fstat(st->fd, &own) < 0)
		return;
	path[n] = '\0';
	if (stat(path, &there) < 0 || there.st_ino != own.st_ino || there.st_dev != own.st_dev)
		return;
	found = strdup(path);
	if (!found)
		return;
	free(st->path);
	st->path = found;
}

int store_adopt(struct store *st)
{
	int r = handle_at(st->tree_fd, "", &st->tree);

	if (r < 0)
		return r;
	st->filesystem = dirprobe_filesystem(st->fd);
	return open_blobs(st);
}

void store_close(struct store *st)
{
	blobs_free(st->blobs);
	st->blobs = NULL;
	st->blobs_fd = safe_close(st->blobs_fd);
	st->tree_fd = safe_close(st->tree_fd);
	st->trash_fd = safe_close(st->trash_fd);
	st->lock_fd = safe_close(st->lock_fd);
	st->fd = safe_close(st->fd);
	memory_done(&st->ns);
	free(st->path);
	st->path = NULL;
}

int store_leave(const struct store *st)
{
	return st->memory ? memory_leave(&st->ns) : 0;
}

int store_enter(const struct store *st)
{
	return st->memory ? memory_enter(&st->ns) : 0;
}

int store_open_handle(const struct store *st, const struct handle *h, int flags)
{
	return handle_open(st->fd, h, flags);
}
