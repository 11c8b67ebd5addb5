/* SPDX-License-Identifier: MIT */
/*
 * The directory that is spilled to. A lock file with a name is complete and locked, as that of a store.
 */
#include "store/spilldir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/dirprobe.h"
#include "util/cleanup.h"
#include "util/dir.h"
#include "util/log.h"

#define FORMAT_BEGIN "batonfs spill, format "
#define FORMAT_TEXT FORMAT_BEGIN "1\n"

PRINTF(3, 4) static int fail(struct store_error *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return err;
}

static int fail_with(struct store_error *error, const char *path, int err)
{
	return fail(error, err, "spill=%s: %s", path, strerror(-err));
}

/* ---- the directory ---- */

static int open_directory(struct spilldir *d, const char *path, struct store_error *error)
{
	struct stat st;

	d->path = realpath(path, NULL);
	if (!d->path && errno == ENOENT)
		return fail(error, -ENOENT,
			    "spill=%s does not exist; make it with: mkdir -p -m 0700 %s", path,
			    path);
	if (!d->path)
		return fail_with(error, path, -errno);
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		return fail_with(error, d->path, -errno);
	d->filesystem = dirprobe_filesystem(d->fd);
	/* Whoever owns a directory may exchange what is in it. */
	if (st.st_uid != 0)
		return fail(error, -EPERM,
			    "spill=%s belongs to uid %u; give a directory of root's own", d->path,
			    st.st_uid);
	return 0;
}

static int check_handles(struct spilldir *d, struct store_error *error)
{
	int r = dirprobe_handles(d->fd);

	if (r == -EOPNOTSUPP)
		return fail(error, r,
			    "spill=%s: its filesystem (%s) has no file handles; use a directory on "
			    "ext4, XFS or btrfs",
			    d->path, d->filesystem);
	return r < 0 ? fail_with(error, d->path, r) : 0;
}

/* Only the filesystem's refusal is meant: that somebody else has the file open at the moment is none. */
static int check_leases(struct spilldir *d, struct store_error *error)
{
	if (fcntl(d->lock_fd, F_SETLEASE, F_WRLCK) == 0) {
		(void)fcntl(d->lock_fd, F_SETLEASE, F_UNLCK);
		return 0;
	}
	if (errno == EAGAIN)
		return 0;
	return fail(error, -EOPNOTSUPP, "spill=%s: its filesystem (%s) has no leases: %s", d->path,
		    d->filesystem, strerror(errno));
}

/* ---- the lock ---- */

static int take_lock(struct spilldir *d, struct store_error *error)
{
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fail(
			error, -EBUSY,
			"spill=%s is in use by another batonfs; unmount that first, or give each "
			"mount a directory of its own",
			d->path);
	return fail_with(error, d->path, -errno);
}

/* 0, -ENODATA: none of ours, -EPROTONOSUPPORT. */
static int check_format(int fd)
{
	char text[sizeof(FORMAT_TEXT)] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (strncmp(text, FORMAT_BEGIN, strlen(FORMAT_BEGIN)) != 0)
		return -ENODATA;
	return strcmp(text, FORMAT_TEXT) == 0 ? 0 : -EPROTONOSUPPORT;
}

/* The format, and who has it now. */
static int write_lock(struct spilldir *d, const char *mountpoint)
{
	_cleanup_free_ char *text = NULL;
	int len = asprintf(&text, FORMAT_TEXT "%s\n", mountpoint);
	ssize_t n;

	if (len < 0)
		return -ENOMEM;
	n = pwrite(d->lock_fd, text, (size_t)len, 0);
	if (n != len)
		return n < 0 ? -errno : -ENOSPC;
	return ftruncate(d->lock_fd, len) < 0 ? -errno : 0;
}

/* -ENOENT: it is none yet. */
static int open_existing(struct spilldir *d, struct store_error *error)
{
	int r;

	d->lock_fd = openat(d->fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (d->lock_fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (d->lock_fd < 0)
		return fail_with(error, d->path, -errno);
	r = check_format(d->lock_fd);
	if (r == -ENODATA)
		return fail(error, -ENOTEMPTY,
			    "%s/lock is not of a directory that batonfs spills to; give an empty "
			    "directory",
			    d->path);
	if (r == -EPROTONOSUPPORT)
		return fail(error, r, "spill=%s was used by a newer batonfs; use that one",
			    d->path);
	if (r < 0)
		return fail_with(error, d->path, r);
	return take_lock(d, error);
}

static int create_new(struct spilldir *d, const char *mountpoint, struct store_error *error)
{
	int r = dirprobe_empty(d->fd);

	if (r == 0)
		return fail(error, -ENOTEMPTY,
			    "spill=%s is neither empty nor was it spilled to before; give an empty "
			    "directory",
			    d->path);
	if (r < 0)
		return fail_with(error, d->path, r);
	d->lock_fd = openat(d->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (d->lock_fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return fail(error, -EOPNOTSUPP,
			    "spill=%s: its filesystem (%s) has no nameless files (O_TMPFILE)",
			    d->path, d->filesystem);
	if (d->lock_fd < 0)
		return fail_with(error, d->path, -errno);
	r = take_lock(d, error);
	if (r == 0)
		r = check_leases(d, error);
	if (r < 0)
		return r;
	r = write_lock(d, mountpoint);
	if (r == 0 && linkat(d->lock_fd, "", d->fd, "lock", AT_EMPTY_PATH) < 0)
		r = errno == EEXIST ? -EBUSY : -errno; /* somebody was faster */
	return r < 0 ? fail_with(error, d->path, r) : 0;
}

/* ---- what is in it ---- */

static int open_blobs(struct spilldir *d, struct store_error *error)
{
	if (mkdirat(d->fd, "blobs", 0700) < 0 && errno != EEXIST)
		return fail_with(error, d->path, -errno);
	d->blobs_fd = openat(d->fd, "blobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->blobs_fd < 0 || fchmod(d->blobs_fd, 0700) < 0 || fchmod(d->fd, 0700) < 0)
		return fail_with(error, d->path, -errno);
	return 0;
}

/* Nothing but blobs. */
static void empty(struct spilldir *d)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct blob_name name;
	struct dirent *e;

	if (d->blobs_fd < 0 || dir_open(d->blobs_fd, ".", &dir) < 0)
		return;
	while ((e = readdir(dir))) {
		if (blob_name_parse(e->d_name, &name) == 0 &&
		    unlinkat(d->blobs_fd, name.text, 0) < 0)
			log_debug("spill: cannot remove %s error=%s, ignoring", name.text,
				  log_errname(-errno));
	}
}

static void close_all(struct spilldir *d)
{
	d->blobs_fd = safe_close(d->blobs_fd);
	d->lock_fd = safe_close(d->lock_fd);
	d->fd = safe_close(d->fd);
	free(d->path);
	d->path = NULL;
}

static int lay_out(struct spilldir *d, const char *mountpoint, struct store_error *error)
{
	int r = open_existing(d, error);

	if (r == 0) {
		r = check_leases(d, error);
		if (r == 0)
			r = write_lock(d, mountpoint);
		if (r < 0 && !error->text[0])
			r = fail_with(error, d->path, r);
	} else if (r == -ENOENT) {
		r = create_new(d, mountpoint, error);
	}
	return r < 0 ? r : open_blobs(d, error);
}

int spilldir_open(const char *path, const char *mountpoint, struct spilldir *ret,
		  struct store_error *error)
{
	struct spilldir d = SPILLDIR_NONE;
	int r;

	error->text[0] = '\0';
	r = open_directory(&d, path, error);
	if (r == 0)
		r = check_handles(&d, error);
	if (r == 0)
		r = lay_out(&d, mountpoint, error);
	if (r < 0) {
		close_all(&d);
		return r;
	}
	empty(&d);
	*ret = d;
	return 0;
}

char *spilldir_user(const char *path)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t n = -1;

	if (asprintf(&name, "%s/lock", path) < 0)
		return NULL;
	f = fopen(name, "re");
	for (int i = 0; f && i < 2; i++)
		n = getline(&line, &room, f);
	if (n <= 0)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return TAKE_PTR(line);
}

void spilldir_adopt(struct spilldir *d)
{
	if (d->fd >= 0)
		d->filesystem = dirprobe_filesystem(d->fd);
}

void spilldir_close(struct spilldir *d)
{
	empty(d);
	close_all(d);
}
