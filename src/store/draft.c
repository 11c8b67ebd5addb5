/* SPDX-License-Identifier: MIT */
/*
 * A file with a name in the directory of blobs that are away. Nothing of it is waited for: what a crash of the machine
 * leaves of it nobody reads, since the store was in memory.
 */
#include "store/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "store/blob_away.h"
#include "store/blob_table.h"
#include "store/lease.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* A draft begins only if so much fits. Source: less is full within a moment, and memory may do better. */
#define ROOM_MIN (UINT64_C(1) << 20)

/* ---- names ---- */

int draft_name_of(const struct handle *h, struct blob_name *ret)
{
	int n = snprintf(ret->text, sizeof(ret->text), DRAFT_PREFIX "%" PRId32 "-", h->type);

	if (n < 0 || (size_t)n + 2 * (size_t)h->len >= sizeof(ret->text))
		return -EOVERFLOW;
	for (uint8_t i = 0; i < h->len; i++)
		(void)snprintf(ret->text + n + 2 * i, 3, "%02x", h->bytes[i]);
	return 0;
}

int draft_name_parse(const char *text, struct handle *ret)
{
	struct handle h = { .type = 0 };
	struct blob_name again;
	int at = 0;

	if (sscanf(text, DRAFT_PREFIX "%" SCNd32 "-%n", &h.type, &at) != 1 || at == 0)
		return -EINVAL;
	for (const char *c = text + at; *c && h.len < HANDLE_MAX; c += 2) {
		unsigned int byte;

		if (sscanf(c, "%2x", &byte) != 1 || !c[1])
			return -EINVAL;
		h.bytes[h.len++] = (uint8_t)byte;
	}
	if (h.len == 0 || draft_name_of(&h, &again) < 0 || strcmp(again.text, text) != 0)
		return -EINVAL;
	*ret = h;
	return 0;
}

/* ---- whether ---- */

void drafts_want(struct blobs *b, bool wanted)
{
	atomic_store_explicit(&b->drafts_wanted, wanted && b->away_fd >= 0, memory_order_relaxed);
}

bool drafts_wanted(const struct blobs *b)
{
	return atomic_load_explicit(&b->drafts_wanted, memory_order_relaxed);
}

bool drafts_exist(const struct blobs *b)
{
	return atomic_load_explicit(&b->drafts, memory_order_relaxed) > 0;
}

/* ---- making ---- */

static int make_file(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int fd =
		FAULT_CALL("draft-make",
			   openat(b->away_fd, name->text,
				  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));

	if (fd < 0)
		return -errno;
	if (fchown(fd, 0, 0) < 0) { /* whoever runs this may have another's identity */
		int r = -errno;

		(void)unlinkat(b->away_fd, name->text, 0);
		return r;
	}
	return TAKE_FD(fd);
}

int draft_make(struct blobs *b, const struct handle *h, struct blob_name *ret)
{
	struct blob_name name;
	int fd;
	int r = draft_name_of(h, &name);

	if (r == 0 && !blob_away_has_room(b, ROOM_MIN))
		r = -ENOSPC;
	if (r == 0)
		r = blob_pin(b, &name);
	if (r < 0)
		return r;
	draft_remove(b, &name);
	fd = make_file(b, &name);
	if (fd < 0) {
		blob_unpin(b, &name);
		return fd;
	}
	atomic_fetch_add(&b->away_blobs, 1);
	atomic_fetch_add(&b->drafts, 1);
	atomic_fetch_add(&b->drafts_made, 1);
	FAULT_POINT("draft-made");
	*ret = name;
	return fd;
}

/* It has its size first, since that is what a copy is made into. */
static int fill(struct blobs *b, int fd, const struct blob_name *from)
{
	_cleanup_close_ int blob = blob_open(b, from);
	uint64_t bytes = blob_name_bytes(from);
	int r;

	if (blob < 0)
		return blob;
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	r = copy_content(blob, fd, bytes, NULL, NULL);
	if (r == 0)
		atomic_fetch_add(&b->away_bytes, bytes);
	else
		(void)!ftruncate(fd, 0);
	return r;
}

int draft_make_copy(struct blobs *b, const struct handle *h, const struct blob_name *from,
		    struct blob_name *ret)
{
	struct blob_name name;
	int fd = blob_away_has_room(b, blob_name_bytes(from)) ? draft_make(b, h, &name) : -ENOSPC;
	int r;

	if (fd < 0)
		return fd;
	r = fill(b, fd, from);
	FAULT_POINT("draft-copied");
	if (r < 0) {
		(void)safe_close(fd);
		draft_remove(b, &name);
		blob_unpin(b, &name);
		return r;
	}
	*ret = name;
	return fd;
}

int draft_open(struct blobs *b, const struct blob_name *name, int flags)
{
	int fd = openat(b->away_fd, name->text, flags | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- its stub ---- */

/* O_PATH. -ENOENT: that is no stub of it, or there is no such file any more. */
static int open_stub(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int fd = -1;
	struct blob_name marked;
	struct handle h;
	int r = draft_name_parse(name->text, &h);

	if (r < 0)
		return r;
	fd = handle_open(b->dirfd, &h, O_PATH);
	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	r = stub_get(fd, 0, &marked);
	if (r == 0 && !blob_name_equal(&marked, name))
		r = -ENOENT;
	if (r < 0)
		return r == -ENODATA || r == -ESTALE ? -ENOENT : r;
	return TAKE_FD(fd);
}

bool draft_is_needed(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int fd = open_stub(b, name);

	return fd != -ENOENT;
}

uint64_t draft_told_bytes(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int fd = open_stub(b, name);
	struct stat st;

	if (fd >= 0)
		return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
	return fstatat(b->away_fd, name->text, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0
									     : (uint64_t)st.st_size;
}

int draft_tell_stub(struct blobs *b, const struct blob_name *name, int stub, uint64_t *ret_bytes)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 0 } };
	struct stat own;
	struct stat st;

	if (fstatat(b->away_fd, name->text, &own, AT_SYMLINK_NOFOLLOW) < 0 || fstat(stub, &st) < 0)
		return -errno;
	if (own.st_size != st.st_size && FAULT_CALL("draft-tell", ftruncate(stub, own.st_size)) < 0)
		return -errno;
	times[1] = own.st_mtim;
	/* What has not changed is not told, since that would move its ctime. */
	if ((own.st_size != st.st_size || own.st_mtim.tv_sec != st.st_mtim.tv_sec ||
	     own.st_mtim.tv_nsec != st.st_mtim.tv_nsec) &&
	    futimens(stub, times) < 0)
		return -errno;
	atomic_fetch_add(&b->away_bytes, (uint64_t)(own.st_size - st.st_size));
	*ret_bytes = (uint64_t)own.st_size;
	return 0;
}

/* ---- its end ---- */

void draft_remove(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int fd =
		draft_open(b, name, O_PATH); /* its space is given back at the end */
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || unlinkat(b->away_fd, name->text, 0) < 0)
		return;
	atomic_fetch_sub(&b->away_blobs, 1);
	atomic_fetch_sub(&b->drafts, 1);
	atomic_fetch_sub(&b->away_bytes, (uint64_t)st.st_size);
}

int draft_is_writable(struct blobs *b, const struct blob_name *name)
{
	struct handle h;
	int r = handle_at(b->away_fd, name->text, &h);

	return r < 0 ? r : lease_writable(b->away_fd, &h);
}
