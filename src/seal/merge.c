/* SPDX-License-Identifier: MIT */
/*
 * First the blobs that somebody is a stub of already, which costs no copy; then files that are like this one, which
 * take one.
 */
#include "seal/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "seal/hash.h"
#include "store/lease.h"
#include "store/memcg.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/log.h"

/* Others that are looked at for one file. Source: more of the same hash and size are of as many owners. */
#define TWINS_MAX 64

/* What a new blob leaves free: a twentieth of the store and of the memory limit. */
#define MARGIN 20

_Static_assert(BLOB_NAME_SIZE == LEDGER_BLOB_MAX + 1, "one is the other's");
_Static_assert(BLOB_HASH_DIGITS + 1 == HASH_TEXT_SIZE, "likewise");
_Static_assert(LEDGER_HANDLE_MAX == HANDLE_MAX, "likewise");

/* A file that is to become a stub. */
struct side {
	uint64_t ino;
	struct handle handle;
	uint64_t execution;
	struct seal_claim claim;
	bool claimed;
	int fd; /* owned; -1: not open */
	uid_t uid;
	uint64_t bytes;
};

struct job {
	const struct merge *m;
	struct ledger_seal seal; /* of the file it is about */
	struct side file;
	struct merge_result *result;
};

/* ---- files ---- */

static void side_close(struct side *s)
{
	s->fd = safe_close(s->fd);
}

static void side_done(const struct merge *m, struct side *s)
{
	side_close(s);
	if (s->claimed)
		(void)m->up->settle(m->up->ctx, &s->claim, false); /* stays sealed if it was */
	s->claimed = false;
}

/* Claim it, open it, and see what it is. */
static int side_begin(const struct merge *m, struct side *s)
{
	struct blob_name name;
	struct stat st;
	int r = m->up->claim(m->up->ctx, s->ino, &s->handle, &s->claim);

	if (r < 0)
		return r;
	s->claimed = true;
	s->fd = store_open_handle(m->store, &s->handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (s->fd < 0)
		return s->fd;
	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ESTALE;
	if (st.st_nlink > 1)
		return -EMLINK; /* no stub (make_stub); not worth a blob */
	s->uid = st.st_uid;
	s->bytes = (uint64_t)st.st_size;
	return stub_get(s->fd, s->bytes, &name) == 0 ? -EEXIST : 0;
}

static int note_busy(struct job *j, const struct side *s, int err)
{
	if (err == -EBUSY) {
		j->result->busy_ino = s->ino;
		j->result->busy = s->handle;
	}
	return err;
}

/* Nobody reads it: our own descriptor is closed for that. */
static int side_is_idle(struct job *j, struct side *s)
{
	const struct merge *m = j->m;
	int r;

	side_close(s);
	if (m->up->is_open(m->up->ctx, s->ino, &s->handle))
		return note_busy(j, s, -EBUSY);
	r = lease_in_use(m->store->fd, &s->handle);
	return note_busy(j, s, r > 0 ? -EBUSY : r);
}

static int side_stub(struct job *j, struct side *s, const struct blob_name *name)
{
	const struct merge *m = j->m;
	int r;

	side_close(s);
	r = m->up->make_stub(m->up->ctx, &s->claim, name);
	if (r == 0) {
		j->result->stubs++;
		j->result->saved_bytes += s->bytes;
	}
	return note_busy(j, s, r);
}

static struct handle handle_of(const struct ledger_twin *t)
{
	struct handle h = { .type = t->handle_type, .len = t->handle_len };

	memcpy(h.bytes, t->handle, t->handle_len);
	return h;
}

/* Whether this file may have to do with that one. */
static bool in_scope(const struct job *j, const struct ledger_twin *t)
{
	const struct merge *m = j->m;
	_cleanup_close_ int fd = -1;
	struct handle h = handle_of(t);
	struct stat st;

	if (m->scope == SHARE_MOUNT)
		return true;
	if (m->scope == SHARE_EXECUTION)
		return t->execution == j->file.execution;
	fd = store_open_handle(m->store, &h, O_PATH);
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == j->file.uid;
}

static int compare(struct job *j, int fd)
{
	const struct merge *m = j->m;
	int r;

	m->hurry(m->ctx, false);
	r = copy_compare(j->file.fd, fd, j->file.bytes, m->may, m->ctx);
	m->hurry(m->ctx, true);
	return r;
}

/* ---- a blob that is there ---- */

/* 1: the file is its stub now; 0: it has another content, or is gone. */
static int try_blob(struct job *j, const struct ledger_twin *t)
{
	const struct merge *m = j->m;
	_cleanup_close_ int fd = -1;
	struct blob_name name;
	int r = blob_name_parse(t->blob, &name);

	if (r < 0 || blob_name_bytes(&name) != j->file.bytes)
		return 0;
	r = blob_pin(m->store->blobs, &name);
	if (r < 0)
		return r;
	fd = blob_open(m->store->blobs, &name);
	r = fd < 0 ? 0 : compare(j, fd);
	if (r == 1) {
		r = side_stub(j, &j->file, &name);
		r = r < 0 ? r : 1;
	}
	blob_unpin(m->store->blobs, &name);
	return r;
}

/* Of blobs with the file's hash and size. */
static int find_blobs(const struct job *j, uint32_t max, struct ledger_twin *ret)
{
	char base[BLOB_NAME_SIZE];
	char hash[HASH_TEXT_SIZE];

	hash_text(j->seal.xxh3, hash);
	(void)snprintf(base, sizeof(base), "%s-%" PRIu64, hash, j->seal.size_bytes);
	return ledger_stub_twins(j->m->ledger, base, max, ret);
}

static int try_blobs(struct job *j)
{
	_cleanup_free_ struct ledger_twin *t = calloc(TWINS_MAX, sizeof(*t));
	int n;
	int r = 0;

	if (!t)
		return -ENOMEM;
	n = find_blobs(j, TWINS_MAX, t);
	for (int i = 0; r == 0 && i < n; i++) {
		if (in_scope(j, &t[i]))
			r = try_blob(j, &t[i]);
	}
	return n < 0 ? n : r;
}

/* ---- a new blob ---- */

static bool has_room(const struct merge *m, uint64_t bytes)
{
	struct memcg_use use;
	struct statfs fs;

	if (fstatfs(m->store->fd, &fs) < 0)
		return false;
	if (fs.f_bavail < fs.f_blocks / MARGIN ||
	    (fs.f_bavail - fs.f_blocks / MARGIN) * (uint64_t)fs.f_bsize < bytes)
		return false;
	if (!m->store->memory)
		return true;
	memcg_tightest(&use);
	return use.limit_bytes == UINT64_MAX ||
	       (use.used_bytes <= use.limit_bytes - use.limit_bytes / MARGIN &&
		use.limit_bytes - use.limit_bytes / MARGIN - use.used_bytes >= bytes);
}

static int check_hash(void *ctx, int fd)
{
	struct job *j = ctx;
	uint8_t hash[HASH_SIZE];
	uint64_t bytes;
	int r = hash_fd(fd, j->m->may, j->m->ctx, hash, &bytes);

	if (r < 0)
		return r;
	return memcmp(hash, j->seal.xxh3, HASH_SIZE) == 0 ? 0 : -EBADMSG;
}

static bool may_copy(void *ctx)
{
	struct job *j = ctx;

	return j->m->may(j->m->ctx);
}

static int make_blob(struct job *j, struct blob_name *ret)
{
	struct blob_source source = {
		.bytes = j->file.bytes,
		.may = may_copy,
		.check = check_hash,
		.ctx = j,
	};
	_cleanup_close_ int fd =
		store_open_handle(j->m->store, &j->file.handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	int r;

	if (fd < 0)
		return fd;
	if (!has_room(j->m, j->file.bytes))
		return -ENOSPC;
	source.fd = fd;
	hash_text(j->seal.xxh3, source.hash);
	j->m->hurry(j->m->ctx, false);
	r = blob_make(j->m->store->blobs, &source, ret);
	j->m->hurry(j->m->ctx, true);
	return r;
}

/* Both have the same bytes, and are claimed since before that was seen. */
static int make_stubs(struct job *j, struct side *other)
{
	struct merge_result *result = j->result;
	struct blob_name name;
	int r = side_is_idle(j, other);

	if (r == 0)
		r = side_is_idle(j, &j->file);
	if (r == 0)
		r = make_blob(j, &name);
	if (r < 0)
		return r;
	result->made = true;
	FAULT_POINT("share-blob");
	/*
	 * First the one that the blob was made of: only if nobody has written to it since (-EBUSY is said after
	 * that), the blob has what was compared.
	 */
	r = side_stub(j, &j->file, &name);
	FAULT_POINT("share-first");
	if (r == 0 || r == -EBUSY)
		r = side_stub(j, other, &name);
	FAULT_POINT("share-both");
	result->wasted = result->stubs == 0;
	result->saved_bytes -= MIN_OF(result->saved_bytes, j->file.bytes);
	blob_unpin(j->m->store->blobs, &name);
	return r;
}

/* 1: both are stubs now; 0: it has another content, or is gone. */
static int try_file(struct job *j, const struct ledger_twin *t)
{
	const struct merge *m = j->m;
	struct side other = { .ino = t->ino, .handle = handle_of(t), .fd = -1 };
	int r = side_begin(m, &other);

	if (r == 0 && m->scope == SHARE_OWNER && other.uid != j->file.uid)
		r = -ESTALE; /* given to somebody since in_scope() */
	if (r == 0 && other.bytes == j->file.bytes) {
		r = compare(j, other.fd);
		if (r == 1) {
			r = make_stubs(j, &other);
			r = r < 0 ? r : 1;
		}
	} else if (r == -EBUSY) {
		(void)note_busy(j, &other, r);
		r = 0;
	} else if (r == -ESTALE || r == -EEXIST || r == -EMLINK) {
		r = 0;
	}
	side_done(m, &other);
	return r;
}

static int try_files(struct job *j)
{
	_cleanup_free_ struct ledger_twin *t = calloc(TWINS_MAX, sizeof(*t));
	int n;
	int r = 0;

	if (!t)
		return -ENOMEM;
	n = ledger_file_twins(j->m->ledger, &j->seal, j->file.ino, TWINS_MAX, t);
	for (int i = 0; r == 0 && i < n; i++) {
		if (in_scope(j, &t[i]))
			r = try_file(j, &t[i]);
	}
	return n < 0 ? n : r;
}

/* ---- all of it ---- */

/* What the ledger says of the file; without a row there would be nothing that keeps its blob. */
static int recall(struct job *j)
{
	struct ledger_twin row;
	int r = ledger_seal(j->m->ledger, j->file.ino, &j->seal);

	if (r == 0)
		r = ledger_file_find(j->m->ledger, j->file.ino, &row);
	if (r == 0)
		j->file.execution = row.execution;
	return r;
}

static int merge_claimed(struct job *j)
{
	int r = recall(j);

	if (r == 0 && j->seal.size_bytes != j->file.bytes)
		r = -ECANCELED;
	if (r == 0)
		r = try_blobs(j);
	if (r == 0)
		r = try_files(j);
	if (r == 0)
		r = j->result->busy_ino ? -EBUSY : -ENODATA;
	return r < 0 ? r : 0;
}

/*
 * Whether anybody is like it at all. Most files are like none, and are not claimed and opened for that. What the
 * ledger says may be of earlier content: then the file has been written to, and is hashed and comes here again.
 */
static int look_for_any(struct job *j)
{
	struct ledger_twin t;
	int r = ledger_seal(j->m->ledger, j->file.ino, &j->seal);

	if (r == 0)
		r = find_blobs(j, 1, &t);
	if (r == 0)
		r = ledger_file_twins(j->m->ledger, &j->seal, j->file.ino, 1, &t);
	if (r < 0)
		return r;
	return r == 0 ? -ENODATA : 0;
}

int merge_file(const struct merge *m, uint64_t ino, const struct handle *h,
	       struct merge_result *ret)
{
	struct job j = {
		.m = m,
		.file = { .ino = ino, .handle = *h, .fd = -1 },
		.result = ret,
	};
	int r;

	*ret = (struct merge_result){ 0 };
	r = look_for_any(&j);
	if (r == 0)
		r = note_busy(&j, &j.file, side_begin(m, &j.file));
	if (r == 0)
		r = merge_claimed(&j);
	side_done(m, &j.file);
	return r == -EEXIST ? 0 : r;
}
