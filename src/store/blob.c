/* SPDX-License-Identifier: MIT */
/*
 * Names, making, finding.
 */
#include "store/blob.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/blob_table.h"
#include "store/draft.h"
#include "util/cleanup.h"
#include "util/dir.h"
#include "util/fault.h"
#include "util/parse.h"

/* ---- names ---- */

static bool is_hash(const char *text)
{
	for (int i = 0; i < BLOB_HASH_DIGITS; i++) {
		if (!isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* Decimal digits without leading zeros, then `end`; returns what follows `end`, or NULL. */
static const char *skip_number(const char *text, char end, uint64_t *ret)
{
	char digits[21];
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n >= sizeof(digits) || (text[0] == '0' && n > 1) || text[n] != end)
		return NULL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return parse_u64(digits, ret) < 0 ? NULL : text + n + 1;
}

int blob_name_parse(const char *text, struct blob_name *ret)
{
	uint64_t bytes;
	uint64_t number = 1;
	struct handle of;
	const char *rest;

	if (draft_name_parse(text, &of) == 0) {
		strcpy(ret->text, text);
		return 0;
	}
	if (strlen(text) >= BLOB_NAME_SIZE || !is_hash(text) || text[BLOB_HASH_DIGITS] != '-')
		return -EINVAL;
	text += BLOB_HASH_DIGITS + 1;
	if (!skip_number(text, '\0', &bytes)) {
		rest = skip_number(text, '-', &bytes);
		if (!rest || !skip_number(rest, '\0', &number) || number == 0 ||
		    number > UINT32_MAX)
			return -EINVAL;
	}
	strcpy(ret->text, text - BLOB_HASH_DIGITS - 1);
	return 0;
}

uint64_t blob_name_bytes(const struct blob_name *name)
{
	return draft_is(name) ? 0 : strtoull(name->text + BLOB_HASH_DIGITS + 1, NULL, 10);
}

/* ---- making ---- */

static int fill(int fd, const struct blob_source *source)
{
	struct stat st;
	int r;

	if (fstat(source->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != source->bytes)
		return -EUCLEAN;
	/* Its size first, so that a tmpfs gives huge pages; and whoever runs this may have another's identity. */
	if (FAULT_CALL("blob-size", ftruncate(fd, st.st_size)) < 0 || fchown(fd, 0, 0) < 0 ||
	    fchmod(fd, 0400) < 0)
		return -errno;
	r = copy_content(source->fd, fd, source->bytes, source->may, source->ctx);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == source->bytes ? 0 : -EUCLEAN;
}

/* What can go wrong with the disk goes wrong before it has a name. */
static int finish(int fd, bool durable, const struct blob_source *source)
{
	int r = source->check ? source->check(source->ctx, fd) : 0;

	FAULT_POINT("blob-filled");
	return r == 0 && durable && FAULT_CALL("blob-sync", fsync(fd)) < 0 ? -errno : r;
}

int blob_fill(int dirfd, bool durable, const struct blob_source *source)
{
	_cleanup_close_ int fd =
		FAULT_CALL("blob-make", openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400));
	int r = fd < 0 ? -errno : fill(fd, source);

	if (r == 0)
		r = finish(fd, durable, source);
	return r < 0 ? r : TAKE_FD(fd);
}

void blob_write_name(const struct blob_source *source, uint32_t number, struct blob_name *ret)
{
	int n = snprintf(ret->text, sizeof(ret->text), "%.*s-%" PRIu64, BLOB_HASH_DIGITS,
			 source->hash, source->bytes);

	if (number > 0)
		(void)snprintf(ret->text + n, sizeof(ret->text) - (size_t)n, "-%" PRIu32, number);
}

/* A name is given once, whatever directory the blob is in: what is here may go away, and does so under the lock. */
static int link_here(struct blobs *b, int fd, const struct blob_name *name)
{
	_cleanup_(lock_dropp) struct lock *lock = b->away_fd < 0 ? NULL : lock_taken(&b->lock);

	if (lock && faccessat(b->away_fd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return FAULT_CALL("blob-link", linkat(fd, "", b->dirfd, name->text, AT_EMPTY_PATH)) < 0
		       ? -errno
		       : 0;
}

/* Pinned before it can be found. */
static int link_as(struct blobs *b, int fd, const struct blob_name *name)
{
	int r = blob_pin(b, name);

	if (r < 0)
		return r;
	r = link_here(b, fd, name);
	if (r < 0)
		blob_unpin(b, name);
	return r;
}

static int give_name(struct blobs *b, int fd, const struct blob_source *source,
		     struct blob_name *ret)
{
	struct blob_name name;
	int r = -EEXIST;

	for (uint32_t i = 0; r == -EEXIST && i < BLOB_SAME_MAX; i++) {
		blob_write_name(source, i, &name);
		r = link_as(b, fd, &name);
	}
	if (r < 0)
		return r;
	FAULT_POINT("blob-linked");
	if (b->durable && FAULT_CALL("blob-linked-sync", fsync(b->dirfd)) < 0) {
		r = -errno;
		(void)unlinkat(b->dirfd, name.text, 0);
		blob_unpin(b, &name);
		return r;
	}
	*ret = name;
	return 0;
}

int blob_make(struct blobs *b, const struct blob_source *source, struct blob_name *ret)
{
	_cleanup_close_ int fd = blob_fill(b->dirfd, b->durable, source);

	return fd < 0 ? fd : give_name(b, fd, source, ret);
}

/* ---- looking ---- */

/*
 * A blob that goes away is in both directories for a while: it is linked there before it is removed here, so one of
 * the two looks finds it.
 */
static int open_either(struct blobs *b, const struct blob_name *name, int flags)
{
	bool away_first = blob_is_leaving(b, name);
	int fd = openat(away_first ? b->away_fd : b->dirfd, name->text,
			flags | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && b->away_fd >= 0)
		fd = openat(away_first ? b->dirfd : b->away_fd, name->text,
			    flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int blob_open(struct blobs *b, const struct blob_name *name)
{
	return open_either(b, name, O_RDONLY | O_NOATIME);
}

int blob_open_path(struct blobs *b, const struct blob_name *name)
{
	return open_either(b, name, O_PATH);
}

int blob_stat(struct blobs *b, const struct blob_name *name, struct stat *ret)
{
	if (fstatat(b->dirfd, name->text, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno == ENOENT && b->away_fd >= 0 &&
	    fstatat(b->away_fd, name->text, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return -errno;
}

struct listing {
	struct blobs *b;
	int (*each)(void *arg, const struct blob_info *info, const char *entry);
	void *arg;
};

static int tell(const struct listing *l, int dirfd, const char *entry)
{
	struct blob_info info = { .away = dirfd == l->b->away_fd };
	struct stat st;

	/* What is in both directories is told of once. */
	if (info.away && faccessat(l->b->dirfd, entry, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (fstatat(dirfd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* just removed */
	if (!S_ISREG(st.st_mode) || blob_name_parse(entry, &info.name) < 0)
		info.name.text[0] = '\0';
	info.bytes = (uint64_t)st.st_size;
	info.stored_bytes = (uint64_t)st.st_blocks * 512;
	return l->each(l->arg, &info, entry);
}

static int list(const struct listing *l, int dirfd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(dirfd, ".", &dir);

	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name))
			r = tell(l, dirfd, d->d_name);
	}
	return r == 0 && errno ? -errno : r;
}

int blob_each(struct blobs *b,
	      int (*each)(void *arg, const struct blob_info *info, const char *entry), void *arg)
{
	struct listing l = { .b = b, .each = each, .arg = arg };
	int r = list(&l, b->dirfd);

	return r == 0 && b->away_fd >= 0 ? list(&l, b->away_fd) : r;
}

static uint64_t count_names(int dirfd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *d;
	uint64_t n = 0;

	if (dir_open(dirfd, ".", &dir) < 0)
		return 0;
	while ((d = readdir(dir)))
		n += !dir_is_dot(d->d_name);
	return n;
}

uint64_t blob_count(struct blobs *b)
{
	return count_names(b->dirfd) + (b->away_fd >= 0 ? count_names(b->away_fd) : 0);
}

/* ---- the object ---- */

bool blobs_durable(const struct blobs *b)
{
	return b->durable;
}

void blobs_set_unordered(struct blobs *b)
{
	b->unordered = true;
}

int blobs_keep_order(struct blobs *b)
{
	if (!b->durable || !b->unordered)
		return 0;
	return FAULT_CALL("blobs-order", syncfs(b->dirfd)) < 0 ? -errno : 0;
}

int blobs_new(int dirfd, bool durable, struct blobs **ret)
{
	struct blobs *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->dirfd = dirfd;
	b->away_fd = -1;
	b->durable = durable;
	lock_init(&b->lock, LOCK_BLOBS);
	*ret = b;
	return 0;
}

void blobs_free(struct blobs *b)
{
	if (!b)
		return;
	blob_forget_all(b);
	lock_done(&b->lock);
	free(b);
}
