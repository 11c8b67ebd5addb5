/* SPDX-License-Identifier: MIT */
/*
 * What a file is, is learned once, at its first open or registration, and then known by its inode's flags.
 */
#include "fuse/content.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/drafting.h"
#include "fuse/node.h"
#include "fuse/prune.h"
#include "fuse/split.h"
#include "store/blob_away.h"
#include "store/procfd.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/log.h"

/* ---- what it is ---- */

static void set_chattr_locked(struct inode *inode, const struct statx *stx)
{
	uint32_t set = 0;

	if (stx->stx_attributes & STATX_ATTR_IMMUTABLE)
		set |= INODE_IMMUTABLE;
	if (stx->stx_attributes & STATX_ATTR_APPEND)
		set |= INODE_APPEND;
	atomic_fetch_and(&inode->flags, ~(uint32_t)(INODE_IMMUTABLE | INODE_APPEND) | set);
	atomic_fetch_or(&inode->flags, set);
}

void content_learn_again_locked(struct inode *inode, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, 0, &stx) == 0)
		set_chattr_locked(inode, &stx);
}

bool content_is_unsettled(const struct fs *fs)
{
	return atomic_load(&fs->unsettled) || atomic_load(&fs->hidden);
}

/* A mark that a crash left, and that would mean something again if the file got its old size. */
static int remove_stale_mark(int fd)
{
	struct procfd path = procfd(fd);
	_cleanup_close_ int own = open(path.name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct blob_name name;
	int r = own < 0 ? -errno : stub_settle(own, &name);

	return r < 0 ? r : 0;
}

/* Whether the mark is worth a look. */
static bool maybe_stub(const struct fs *fs, const struct stat *st)
{
	return stub_maybe(st, content_is_unsettled(fs)) ||
	       (drafts_exist(fs->store->blobs) && S_ISREG(st->st_mode) && st->st_blocks == 0);
}

static int learn_stub_locked(struct fs *fs, struct inode *inode, int fd, const struct statx *stx)
{
	struct stat st = {
		.st_mode = stx->stx_mode,
		.st_size = (off_t)stx->stx_size,
		.st_blocks = (blkcnt_t)stx->stx_blocks,
	};
	struct blob_name name;
	int r = maybe_stub(fs, &st) ? stub_get(fd, stx->stx_size, &name) : -ENODATA;

	/* A dead process may have known it for one. If it is, it is so all the while: who writes looks without the lock. */
	if (r == -ENODATA || r == -ESTALE)
		atomic_fetch_and(&inode->flags, ~(uint32_t)(INODE_STUB | INODE_DRAFT));
	else if (r == 0 && !draft_is(&name))
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_DRAFT);
	if (r == 0)
		atomic_fetch_or(&inode->flags, INODE_STUB | (draft_is(&name) ? INODE_DRAFT : 0));
	if (r == -ESTALE)
		r = remove_stale_mark(fd);
	return r == -ENODATA ? 0 : r;
}

int content_learn_locked(struct fs *fs, struct inode *inode, int fd)
{
	_cleanup_close_ int own = -1;
	struct statx stx;
	int r;

	if (atomic_load(&inode->flags) & INODE_LEARNED)
		return 0;
	if (inode->nopen == 0) /* of the last process: its content may have been moved since */
		backing_unregister(fs->backing, inode_take_backing(inode));
	if (atomic_load(&inode->flags) & INODE_SPLIT) {
		r = split_rejoin_locked(fs, inode);
		if (r < 0)
			return r;
		fd = -1; /* perhaps the one that it had */
	}
	if (fd < 0)
		fd = own = node_open_locked(fs, inode, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	r = learn_stub_locked(fs, inode, fd, &stx);
	if (r < 0) {
		log_warning("ino=%llu error=%s: cannot tell whether it is a stub, not opening it",
			    (unsigned long long)inode->ino, log_errname(r));
		return r;
	}
	set_chattr_locked(inode, &stx);
	atomic_fetch_or(&inode->flags, INODE_LEARNED);
	return 0;
}

int content_is_stub(struct fs *fs, struct inode *inode)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	int r;

	if (atomic_load(&inode->flags) & INODE_SPLIT)
		return 0; /* the file is its own by now, whatever who has this one open reads */
	r = content_learn_locked(fs, inode, -1);
	if (r < 0)
		return r;
	return atomic_load(&inode->flags) & INODE_STUB ? 1 : 0;
}

int content_get_name(int fd, struct blob_name *ret)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : stub_get(fd, (uint64_t)st.st_size, ret);

	return r == -ESTALE ? -ENODATA : r;
}

int content_blob_of(struct fs *fs, struct inode *inode, struct blob_name *ret)
{
	_cleanup_close_ int fd = -1;
	int r = content_is_stub(fs, inode);

	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	fd = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	return fd < 0 ? fd : content_get_name(fd, ret);
}

int content_open_blob(struct fs *fs, int fd, bool path)
{
	struct blob_name name;
	int r = content_get_name(fd, &name);

	if (r < 0)
		return r;
	return path ? blob_open_path(fs->store->blobs, &name) : blob_open(fs->store->blobs, &name);
}

/* ---- mappings ---- */

static int lease_of_blob(struct fs *fs, struct inode *inode)
{
	_cleanup_close_ int fd = node_open_locked(fs, inode, O_PATH | O_NOFOLLOW);
	struct blob_name name;
	int r = fd < 0 ? fd : content_get_name(fd, &name);

	if (r == 0)
		r = blob_in_use(fs->store->blobs, &name);
	return r == -ENODATA || r == -ENOENT ? 0 : r;
}

int content_is_lent_locked(struct fs *fs, struct inode *inode)
{
	uint32_t both = INODE_STUB | INODE_LENT;
	int r;

	if ((atomic_load(&inode->flags) & both) != both)
		return 0;
	r = lease_of_blob(fs, inode);
	if (r == 0 && inode->nopen == 0)
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_LENT);
	return r;
}

void content_recall(struct fs *fs, struct inode *inode)
{
	(void)prune_inode(fs, itable_nodeid(fs->itable, inode));
}

int fs_is_lent(void *ctx, uint64_t ino, const struct handle *h)
{
	struct fs *fs = ctx;
	struct inode *inode = itable_peek(fs->itable, ino, h);
	int r;

	if (!inode)
		return 0;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		r = content_is_lent_locked(fs, inode);
	}
	if (r == 1)
		content_recall(fs, inode);
	itable_unref(fs->itable, inode);
	return r;
}

/* ---- without a name ---- */

void content_pin_locked(struct fs *fs, struct inode *inode, int fd, const struct stat *st)
{
	uint32_t flags = atomic_load(&inode->flags);
	struct blob_name name;

	if (flags & INODE_PINNED ||
	    !(flags & INODE_LEARNED ? flags & INODE_STUB : maybe_stub(fs, st)))
		return;
	if (content_get_name(fd, &name) == 0 && blob_pin(fs->store->blobs, &name) == 0)
		atomic_fetch_or(&inode->flags, INODE_PINNED);
}

void content_evict(struct fs *fs, struct inode *inode)
{
	uint32_t flags = atomic_load(&inode->flags);
	struct blob_name name;

	if (flags & INODE_PINNED && content_get_name(inode->fd, &name) == 0)
		blob_unpin(fs->store->blobs, &name);
	/* Garbage, perhaps, of which no row tells. */
	if (flags & INODE_ORPHAN && flags & INODE_DRAFT)
		ledger_file_shared(fs->ledger, inode->ino, "");
}

/* ---- attributes ---- */

/* In most files that have no blocks there is nothing, and whether it is a draft is known of most. */
static bool may_be_elsewhere(const struct fs *fs, const struct inode *inode, const struct stat *st)
{
	uint32_t flags = atomic_load(&inode->flags);

	if ((flags & (INODE_LEARNED | INODE_STUB)) == INODE_LEARNED)
		return false;
	return stub_maybe(st, false) ||
	       (drafts_exist(fs->store->blobs) && S_ISREG(st->st_mode) && st->st_blocks == 0);
}

void content_show(struct fs *fs, struct inode *inode, int fd, struct stat *st)
{
	_cleanup_close_ int own = -1;
	struct blob_name name;
	struct stat blob;

	if (!may_be_elsewhere(fs, inode, st))
		return;
	if (fd < 0)
		fd = own = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	if (fd < 0 || stub_get(fd, (uint64_t)st->st_size, &name) < 0)
		return;
	if (draft_is(&name))
		drafting_show(fs, &name, st);
	else if (blob_stat(fs->store->blobs, &name, &blob) == 0)
		st->st_blocks = blob.st_blocks;
}

static int look_at(struct fs *fs, struct inode *inode, int fd, struct stat *ret)
{
	if (fstat(fd, ret) < 0)
		return -errno;
	content_show(fs, inode, fd, ret);
	split_show(inode, ret);
	return 0;
}

int content_stat(struct fs *fs, struct inode *inode, int fd, struct stat *ret)
{
	struct move_look look = move_look(fs);
	int r = look_at(fs, inode, fd, ret);

	if (r == 0 && S_ISREG(inode->mode) && move_seen(fs, &look)) { /* perhaps this one */
		_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);

		r = look_at(fs, inode, fd, ret);
	}
	return r;
}
