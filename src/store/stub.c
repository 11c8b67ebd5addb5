/* SPDX-License-Identifier: MIT */
/*
 * The order of the steps is all there is to it: the mark comes before the content goes, and goes after the content
 * has come back. A fault point (util/fault.h) stands between any two.
 */
#include "store/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/mark.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define STUB_MARK MARK_PREFIX "blob"
#define CAPABILITY "security.capability"

/* Sectors of st_blocks, bytes. Source: stat(2). */
#define SECTOR UINT64_C(512)

/* What a file of a tmpfs is punched in. Source: x86-64 and arm64 with 4 KiB pages. */
#define HUGE_PAGE (INT64_C(2) << 20)

bool stub_has_blocks(const struct stat *st)
{
	return (uint64_t)st->st_blocks * SECTOR >= STUB_MIN;
}

bool stub_maybe(const struct stat *st, bool unsettled)
{
	uint64_t size = (uint64_t)st->st_size;

	if (!S_ISREG(st->st_mode))
		return false;
	return unsettled || (size >= STUB_MIN && (uint64_t)st->st_blocks * SECTOR < size);
}

static int read_mark(int fd, struct blob_name *ret)
{
	struct procfd path = procfd(fd);
	char text[BLOB_NAME_SIZE];
	ssize_t n = getxattr(path.name, STUB_MARK, text, sizeof(text) - 1);

	if (n < 0)
		return errno == ERANGE ? -EINVAL : -errno;
	text[n] = '\0';
	return blob_name_parse(text, ret);
}

int stub_get(int fd, uint64_t size_bytes, struct blob_name *ret)
{
	struct blob_name name;
	int r = read_mark(fd, &name);

	if (r < 0)
		return r;
	if (blob_name_bytes(&name) != size_bytes)
		return -ESTALE;
	*ret = name;
	return 0;
}

static int remove_mark(int fd)
{
	return fremovexattr(fd, STUB_MARK) < 0 && errno != ENODATA ? -errno : 0;
}

/* The time of the content is not that of its layout. */
static void restore_mtime(int fd, const struct stat *st)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };

	(void)futimens(fd, times); /* its content is the same all the same */
}

/*
 * Free all blocks, also those beyond the end: a tmpfs only clears a page that it is told to punch in part; ext4 does
 * not punch beyond the end at all, and XFS may have allocated ahead there, but cutting a file to the size it has takes
 * those away.
 */
static int punch(int fd, const struct stat *st)
{
	off_t len = (st->st_size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, len) < 0)
		return -errno;
	FAULT_POINT("punched");
	if (ftruncate(fd, st->st_size) < 0)
		return -errno;
	restore_mtime(fd, st);
	return 0;
}

/* What any change of the content takes away from a file, on the kernel's own account. */
static bool has_capability(int fd)
{
	return fgetxattr(fd, CAPABILITY, NULL, 0) >= 0;
}

static int set_mark(struct blobs *b, int fd, const struct blob_name *name)
{
	if (fsetxattr(fd, STUB_MARK, name->text, strlen(name->text), 0) < 0)
		return -errno;
	FAULT_POINT("marked");
	return blobs_durable(b) && fsync(fd) < 0 ? -errno : 0;
}

int stub_make(struct blobs *b, int fd, const struct blob_name *name)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != blob_name_bytes(name))
		return -EUCLEAN;
	if (has_capability(fd))
		return -EPERM;
	r = set_mark(b, fd, name);
	if (r < 0) {
		(void)remove_mark(
			fd); /* nothing punched yet: with or without it the content is the same */
		return r;
	}
	r = punch(fd, &st);
	FAULT_POINT("stubbed");
	if (r < 0 && stub_home(b, fd, name) < 0)
		return 0; /* part of it is punched, and cannot be filled again: a stub */
	return r;
}

/* The capability goes with the first byte written. */
static int copy_home(struct blobs *b, int fd, int blob, const struct stat *st)
{
	char capability[64]; /* struct vfs_ns_cap_data has 24 bytes */
	ssize_t n = fgetxattr(fd, CAPABILITY, capability, sizeof(capability));
	int r = copy_content(blob, fd, (uint64_t)st->st_size, NULL, NULL);

	if (r == 0 && n > 0 && fsetxattr(fd, CAPABILITY, capability, (size_t)n, 0) < 0)
		r = -errno;
	restore_mtime(fd, st);
	FAULT_POINT("copied");
	if (r == 0 && blobs_durable(b) && fdatasync(fd) < 0)
		r = -errno;
	return r;
}

int stub_home(struct blobs *b, int fd, const struct blob_name *name)
{
	_cleanup_close_ int blob = blob_open(b, name);
	struct stat st;
	int r;

	if (blob < 0)
		return blob;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = copy_home(b, fd, blob, &st);
	if (r == 0) {
		FAULT_POINT("home");
		r = remove_mark(fd);
		FAULT_POINT("unmarked");
	}
	if (r < 0)
		(void)punch(fd, &st); /* a stub whatever blocks it has; the space is wanted back */
	return r;
}

int stub_drop(int fd)
{
	if (ftruncate(fd, 0) < 0)
		return -errno;
	FAULT_POINT("cut");
	return remove_mark(fd);
}

int stub_settle(int fd, struct blob_name *ret_name)
{
	struct stat st;
	int r;

	ret_name->text[0] = '\0';
	if (fstat(fd, &st) < 0)
		return -errno;
	r = stub_get(fd, (uint64_t)st.st_size, ret_name);
	if (r == -ENODATA)
		return 0;
	if (r == -ESTALE) {
		r = remove_mark(fd);
		return r < 0 ? r : 1;
	}
	if (r < 0 || !stub_has_blocks(&st))
		return r;
	r = punch(fd, &st);
	return r < 0 ? r : 1;
}
