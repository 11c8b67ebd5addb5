/* SPDX-License-Identifier: MIT */
/*
 * The second directory. A blob that was made here keeps its name when it goes away; one that was made there has a
 * number (store/blob.h) that none made here has: so no name is given twice, and no lock is held for that while the
 * disk is waited for.
 */
#include "store/blob_away.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/blob_table.h"
#include "store/draft.h"
#include "store/lease.h"
#include "util/cleanup.h"
#include "util/dir.h"
#include "util/fault.h"

/* What is left to others: a twentieth. Source: what mkfs leaves to root, too. */
#define MARGIN 20

static void count(struct blobs *b, const struct blob_name *name)
{
	atomic_fetch_add(&b->away_blobs, 1);
	if (draft_is(name)) {
		atomic_fetch_add(&b->drafts, 1);
		atomic_fetch_add(&b->away_bytes, draft_told_bytes(b, name));
	} else {
		atomic_fetch_add(&b->away_bytes, blob_name_bytes(name));
	}
}

/* A number to be shown; nothing depends on it. */
static void count_all(struct blobs *b)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct blob_name name;
	struct dirent *d;

	atomic_store(&b->away_blobs, 0);
	atomic_store(&b->away_bytes, 0);
	atomic_store(&b->drafts, 0);
	if (dir_open(b->away_fd, ".", &dir) < 0)
		return;
	while ((d = readdir(dir))) {
		if (blob_name_parse(d->d_name, &name) == 0)
			count(b, &name);
	}
}

void blobs_set_away(struct blobs *b, int dirfd)
{
	b->away_fd = dirfd;
	count_all(b);
}

bool blobs_have_away(const struct blobs *b)
{
	return b->away_fd >= 0;
}

static uint64_t free_bytes(const struct blobs *b)
{
	struct statvfs sv;
	uint64_t margin;

	if (b->away_fd < 0 || fstatvfs(b->away_fd, &sv) < 0)
		return 0;
	margin = sv.f_blocks / MARGIN;
	return sv.f_bavail > margin ? (sv.f_bavail - margin) * sv.f_frsize : 0;
}

bool blob_away_has_room(const struct blobs *b, uint64_t bytes)
{
	return bytes <= free_bytes(b);
}

/*
 * Always on the disk, also if that will not be read after a crash: what the disk cannot keep must not be given up in
 * memory. And then memory need not have it.
 */
static int fill_away(struct blobs *b, const struct blob_source *source)
{
	int fd = blob_fill(b->away_fd, true, source);

	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

/* ---- made there ---- */

int blob_make_away(struct blobs *b, const struct blob_source *source, struct blob_name *ret)
{
	_cleanup_close_ int fd = fill_away(b, source);
	struct blob_name name;
	int r = fd < 0 ? fd : -EEXIST;

	for (uint32_t i = BLOB_SAME_MAX; r == -EEXIST && i < 2 * BLOB_SAME_MAX; i++) {
		blob_write_name(source, i, &name);
		r = blob_pin(b, &name);
		if (r == 0 && FAULT_CALL("blob-link", linkat(fd, "", b->away_fd, name.text,
							     AT_EMPTY_PATH)) < 0) {
			r = -errno;
			blob_unpin(b, &name);
		}
	}
	if (r < 0)
		return r;
	FAULT_POINT("spill-linked");
	count(b, &name);
	*ret = name;
	return 0;
}

/* ---- sent there ---- */

struct sending {
	int from;
	uint64_t bytes;
	copy_may_fn *may;
	void *ctx;
};

static bool may_send(void *ctx)
{
	struct sending *s = ctx;

	return !s->may || s->may(s->ctx);
}

static int compare(void *ctx, int fd)
{
	struct sending *s = ctx;
	int r = copy_compare(s->from, fd, s->bytes, s->may, s->ctx);

	return r == 0 ? -EIO : r < 0 ? r : 0;
}

int blob_send(struct blobs *b, const struct blob_name *name, copy_may_fn *may, void *ctx)
{
	_cleanup_close_ int from =
		openat(b->dirfd, name->text, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	struct sending s = { from, blob_name_bytes(name), may, ctx };
	struct blob_source source = {
		.fd = from, .bytes = s.bytes, .may = may_send, .check = compare, .ctx = &s
	};
	_cleanup_close_ int fd = -1;

	if (from < 0)
		return -errno;
	if (faccessat(b->away_fd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0; /* it was not to leave then */
	fd = fill_away(b, &source);
	if (fd < 0)
		return fd;
	if (FAULT_CALL("blob-link", linkat(fd, "", b->away_fd, name->text, AT_EMPTY_PATH)) < 0)
		return -errno;
	count(b, name);
	FAULT_POINT("spill-sent");
	return 0;
}

int blob_leave_begin(struct blobs *b, const struct blob_name *name)
{
	struct blob_held *h;

	LOCK_SCOPE(&b->lock);
	if (faccessat(b->away_fd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	h = blob_hold_locked(b, name);
	if (!h)
		return -ENOMEM;
	if (h->pins > 0 || h->doomed || h->leaving)
		return -EBUSY;
	h->leaving = true;
	atomic_fetch_add(&b->leaving, 1);
	return 0;
}

int blob_leave_end(struct blobs *b, const struct blob_name *name, bool go)
{
	_cleanup_close_ int here = -1; /* its pages go when the lock is dropped */
	struct blob_held **at;
	int r = go ? 0 : -ECANCELED;

	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	if (r == 0 && (*at)->pins > 0)
		r = -EBUSY;
	if (r == 0) {
		here = openat(b->dirfd, name->text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		r = unlinkat(b->dirfd, name->text, 0) < 0 ? -errno : 0;
	}
	(*at)->leaving = false;
	atomic_fetch_sub(&b->leaving, 1);
	blob_let_go_locked(at);
	return r;
}

/* ---- looking ---- */

bool blob_is_leaving(struct blobs *b, const struct blob_name *name)
{
	struct blob_held **at;

	if (atomic_load(&b->leaving) == 0)
		return false;
	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	return *at && (*at)->leaving;
}

bool blob_is_away(struct blobs *b, const struct blob_name *name)
{
	return b->away_fd >= 0 && faccessat(b->dirfd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       faccessat(b->away_fd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int in_use_at(int dirfd, const struct blob_name *name)
{
	struct handle h;
	int r = handle_at(dirfd, name->text, &h);

	if (r == 0)
		r = lease_in_use(dirfd, &h);
	return r == -ENOENT || r == -ESTALE ? 0 : r;
}

int blob_in_use_here(struct blobs *b, const struct blob_name *name)
{
	return in_use_at(b->dirfd, name);
}

int blob_in_use(struct blobs *b, const struct blob_name *name)
{
	int r = in_use_at(b->dirfd, name);

	return r == 0 && b->away_fd >= 0 ? in_use_at(b->away_fd, name) : r;
}

void blob_count_away(const struct blobs *b, struct blob_away_counts *ret)
{
	/* What a draft grew by may not be told yet. */
	int64_t bytes = (int64_t)atomic_load(&b->away_bytes);

	*ret = (struct blob_away_counts){
		.blobs = atomic_load(&b->away_blobs),
		.bytes = (uint64_t)MAX_OF(bytes, 0),
		.free_bytes = free_bytes(b),
		.drafts = atomic_load(&b->drafts_made),
		.drafts_wanted = drafts_wanted(b),
	};
}
