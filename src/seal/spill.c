/* SPDX-License-Identifier: MIT */
/*
 * A file that is spilled is claimed from before it is read until it is a stub, so that a writer meanwhile is noticed.
 * A blob never changes, but its copy here may be in use by any of its stubs: those are asked one after the other
 * while whoever opens one gets the other copy already.
 */
#include "seal/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "seal/hash.h"
#include "store/blob_away.h"
#include "store/lease.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"

/* Stubs of a blob that are asked for at once. Source: some KiB of rows. */
#define STUBS_AT_ONCE 32

struct file {
	const struct spill *s;
	uint64_t ino;
	const struct handle *handle;
	struct seal_claim claim;
	int fd; /* owned; -1: not open */
	uint64_t bytes;
	uint64_t stored_bytes;
	char hash[HASH_TEXT_SIZE];
};

/* ---- a file ---- */

static bool may_read(void *ctx)
{
	const struct file *f = ctx;
	const struct seal_upcalls *up = f->s->up;

	return f->s->may(f->s->ctx) && !up->is_open(up->ctx, f->ino, f->handle);
}

static int64_t real_ns(const struct timespec *ts)
{
	return ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

/* A time of the future is somebody's choice, or a clock's that has been set back: it says nothing. */
static bool is_young(const struct file *f, const struct timespec *changed)
{
	int64_t ns = real_ns(changed);

	return ns > f->s->idle_since_real_ns && ns <= clock_ns(CLOCK_REALTIME);
}

/* Before it is opened here, which would refuse the lease. */
static int check_unused(const struct file *f)
{
	const struct seal_upcalls *up = f->s->up;
	int r = up->is_open(up->ctx, f->ino, f->handle) ? 1
							: lease_in_use(f->s->store->fd, f->handle);

	return r > 0 ? -EBUSY : r;
}

static int look(struct file *f, struct spill_result *result)
{
	struct blob_name name;
	struct stat st;

	f->fd = store_open_handle(f->s->store, f->handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (f->fd < 0)
		return f->fd;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ESTALE;
	f->bytes = (uint64_t)st.st_size;
	f->stored_bytes = (uint64_t)st.st_blocks * 512;
	if (st.st_nlink > 1 || f->bytes < STUB_MIN || f->stored_bytes < STUB_MIN ||
	    stub_get(f->fd, f->bytes, &name) == 0)
		return -ENODATA;
	result->young = is_young(f, &st.st_mtim) || is_young(f, &st.st_ctim);
	return result->young ? -EBUSY : 0;
}

/* What it was sealed with, or what it is. */
static int get_hash(struct file *f)
{
	struct ledger_seal seal;
	uint8_t hash[HASH_SIZE];
	uint64_t bytes;
	int r;

	if (f->claim.sealed && ledger_seal(f->s->ledger, f->ino, &seal) == 0 &&
	    seal.size_bytes == f->bytes) {
		hash_text(seal.xxh3, f->hash);
		return 0;
	}
	r = hash_fd(f->fd, may_read, f, hash, &bytes);
	if (r == 0 && bytes != f->bytes)
		r = -ECANCELED;
	if (r == 0)
		hash_text(hash, f->hash);
	return r;
}

static int compare(void *ctx, int fd)
{
	struct file *f = ctx;
	int r = copy_compare(f->fd, fd, f->bytes, may_read, f);

	return r == 0 ? -EIO : r < 0 ? r : 0;
}

/* Whether an error is the directory's. */
static void blame(struct spill_result *result, int err)
{
	result->refused = err < 0 && err != -ECANCELED && err != -EUCLEAN && err != -ENOMEM;
}

static int make_blob(struct file *f, struct blob_name *ret, struct spill_result *result)
{
	struct blob_source source = {
		.fd = f->fd,
		.bytes = f->bytes,
		.may = may_read,
		.check = compare,
		.ctx = f,
	};
	int r = blob_away_has_room(f->s->store->blobs, f->stored_bytes) ? 0 : -ENOSPC;

	memcpy(source.hash, f->hash, sizeof(source.hash));
	if (r == 0)
		r = blob_make_away(f->s->store->blobs, &source, ret);
	blame(result, r);
	return r;
}

/* Nobody became its stub. */
static void drop_blob(const struct spill *s, const struct blob_name *name)
{
	struct blobs *blobs = s->store->blobs;
	uint64_t refs;

	if (blob_doom(blobs, name) < 0)
		return;
	if (ledger_sync(s->ledger) == 0 && ledger_blob_refs(s->ledger, name->text, &refs) == 0 &&
	    refs == 0)
		(void)!blob_remove_doomed(blobs, name); /* else it is garbage for a while */
	else
		blob_spare(blobs, name);
}

static int spill_claimed(struct file *f, struct spill_result *result)
{
	const struct spill *s = f->s;
	struct blob_name name;
	int r = check_unused(f);

	if (r == 0)
		r = look(f, result);
	if (r == 0)
		r = get_hash(f);
	if (r == 0)
		r = make_blob(f, &name, result);
	f->fd = safe_close(f->fd);
	if (r < 0)
		return r;
	FAULT_POINT("spill-blob");
	r = s->up->make_stub(s->up->ctx, &f->claim, &name);
	FAULT_POINT("spill-stub");
	blob_unpin(s->store->blobs, &name);
	if (r < 0)
		drop_blob(s, &name);
	else
		result->bytes = f->stored_bytes;
	return r == -EEXIST || r == -EMLINK ? -ENODATA : r;
}

int spill_file(const struct spill *s, uint64_t ino, const struct handle *h,
	       struct spill_result *ret)
{
	struct file f = { .s = s, .ino = ino, .handle = h, .fd = -1 };
	int r;

	*ret = (struct spill_result){ 0 };
	r = s->up->claim(s->up->ctx, ino, h, &f.claim);
	if (r < 0)
		return r;
	r = spill_claimed(&f, ret);
	(void)s->up->settle(s->up->ctx, &f.claim, false); /* stays sealed if it was */
	return r;
}

/* ---- a blob ---- */

/* What its stubs have ready for the next open would be the copy that is here. */
static int let_go(const struct spill *s, const struct ledger_twin *stub)
{
	struct handle h = { .type = stub->handle_type, .len = stub->handle_len };

	memcpy(h.bytes, stub->handle, stub->handle_len);
	return s->up->let_go ? s->up->let_go(s->up->ctx, stub->ino, &h) : 0;
}

static int let_all_go(const struct spill *s, const struct blob_name *name)
{
	struct ledger_twin stubs[STUBS_AT_ONCE];
	uint64_t after = 0;
	int n;
	int r = ledger_sync(s->ledger);

	if (r < 0)
		return r;
	do {
		n = ledger_blob_stubs(s->ledger, name->text, after, STUBS_AT_ONCE, stubs);
		for (int i = 0; r == 0 && i < n; i++)
			r = let_go(s, &stubs[i]);
		if (n > 0)
			after = stubs[n - 1].ino;
	} while (r == 0 && n == STUBS_AT_ONCE);
	return n < 0 ? n : r;
}

/* Nobody has the copy that is here, and nobody gets it from now on. */
static int take_out(const struct spill *s, const struct blob_name *name)
{
	struct blobs *blobs = s->store->blobs;
	int r = blob_leave_begin(blobs, name);

	if (r < 0)
		return r;
	r = let_all_go(s, name);
	if (r == 0)
		r = blob_in_use_here(blobs, name);
	FAULT_POINT("spill-unused");
	if (r != 0) {
		(void)blob_leave_end(blobs, name, false);
		return r < 0 ? r : -EBUSY;
	}
	return blob_leave_end(blobs, name, true);
}

int spill_blob(const struct spill *s, const struct blob_name *name, struct spill_result *ret)
{
	struct blobs *blobs = s->store->blobs;
	struct stat st;
	int r;

	*ret = (struct spill_result){ 0 };
	if (blob_is_away(blobs, name))
		return -ENODATA;
	r = blob_in_use_here(blobs, name);
	if (r == 0 && blob_is_pinned(blobs, name))
		r = 1;
	if (r == 0)
		r = blob_stat(blobs, name, &st);
	if (r != 0)
		return r == -ENOENT ? -ESTALE : r < 0 ? r : -EBUSY;
	r = blob_away_has_room(blobs, (uint64_t)st.st_blocks * 512) ? 0 : -ENOSPC;
	if (r == 0)
		r = blob_send(blobs, name, s->may, s->ctx);
	if (r < 0) {
		if (r == -ENOENT)
			return -ESTALE;
		blame(ret, r);
		return r;
	}
	r = take_out(s, name);
	if (r == 0)
		ret->bytes = (uint64_t)st.st_blocks * 512;
	return r == -ENOENT ? -ESTALE : r;
}
