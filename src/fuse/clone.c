/* SPDX-License-Identifier: MIT */
/*
 * Who opened what is remembered in a small table by thread, with the time; what has been overwritten is forgotten, and
 * then a copy is a copy.
 */
#include "fuse/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/content.h"
#include "fuse/growth.h"
#include "fuse/home.h"
#include "fuse/node.h"
#include "store/draft.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* Between the two opens of a copy, at most. Source: 0.1 to 0.3 ms, and some more on a busy machine. */
#define EXPECT_NS (5 * NS_PER_MS)

/* An entry is the thread, and the time in units that last for three days in 32 bits. */
#define TIME_SHIFT 16

static uint32_t now(void)
{
	return (uint32_t)(clock_ns(CLOCK_MONOTONIC_COARSE) >> TIME_SHIFT);
}

void clone_note_source(struct fs *fs, pid_t thread)
{
	uint64_t entry = (uint64_t)(uint32_t)thread << 32 | now();

	if (fs->config.clone)
		atomic_store_explicit(&fs->sources[(uint32_t)thread % FS_CLONE_SOURCES], entry,
				      memory_order_relaxed);
}

bool clone_is_expected(struct fs *fs, pid_t thread, int flags)
{
	uint64_t entry = atomic_load_explicit(&fs->sources[(uint32_t)thread % FS_CLONE_SOURCES],
					      memory_order_relaxed);

	return (uint32_t)(entry >> 32) == (uint32_t)thread && thread != 0 &&
	       (flags & (O_ACCMODE | O_TRUNC | O_APPEND)) == O_WRONLY &&
	       now() - (uint32_t)entry <= EXPECT_NS >> TIME_SHIFT;
}

/* Nobody else has it open or may write to it, and it never was in passthrough since it was made. */
static int check_target_locked(const struct inode *out)
{
	uint32_t flags = atomic_load(&out->flags);
	uint32_t wanted = INODE_TARGET | INODE_CACHED | INODE_LEARNED;

	if ((flags & wanted) != wanted || out->nopen != 1 || out->nopen_write != 1 ||
	    out->nwriting > 0 ||
	    flags & (INODE_STUB | INODE_ORPHAN | INODE_IMMUTABLE | INODE_APPEND))
		return -EOPNOTSUPP;
	return 0;
}

/* The blob may be told apart by its files' owners: who copies another's file must not learn that it is shared. */
static int check_owner(struct fs *fs, const struct stat *from, struct inode *out)
{
	struct stat to;
	int r = node_stat(fs, out, &to);

	if (r < 0)
		return r;
	if (to.st_size != 0)
		return -EOPNOTSUPP;
	return fs->config.clone == FS_CLONE_ALL || from->st_uid == to.st_uid ? 0 : -EOPNOTSUPP;
}

static int clone_pinned(struct fs *fs, const struct blob_name *name, struct inode *out)
{
	/* It was there when the source was opened; from now on it stays, if it is there. */
	_cleanup_close_ int blob = blob_open_path(fs->store->blobs, name);
	_cleanup_(lock_dropp) struct lock *lock = NULL;
	int r;

	if (blob < 0)
		return blob;
	lock = move_lock_still(fs, out);
	r = check_target_locked(out);
	return r < 0 ? r : home_leave_locked(fs, out, lock, name, true);
}

/* It will have the blob's size, and is charged for that before anything is done. */
static int clone_charged(struct fs *fs, const struct blob_name *name, struct inode *out,
			 uint64_t bytes)
{
	struct growth g;
	int r = growth_begin(fs, out, bytes, false, &g);

	if (r < 0)
		return r;
	r = clone_pinned(fs, name, out);
	growth_end(fs, out, &g, r < 0 ? 0 : bytes);
	return r;
}

int clone_whole(struct fs *fs, int from_fd, struct inode *out, uint64_t at_most,
		uint64_t *ret_bytes)
{
	struct blob_name name;
	struct stat st;
	int r;

	if (!(atomic_load(&out->flags) & INODE_TARGET))
		return -EOPNOTSUPP;
	if (fstat(from_fd, &st) < 0)
		return -errno;
	r = (uint64_t)st.st_size > at_most ? -EOPNOTSUPP
					   : stub_get(from_fd, (uint64_t)st.st_size, &name);
	if (r == 0 && draft_is(&name)) /* it may be written to */
		r = -EOPNOTSUPP;
	if (r == 0)
		r = check_owner(fs, &st, out);
	if (r == 0)
		r = blob_pin(fs->store->blobs, &name);
	if (r < 0)
		return r;
	r = clone_charged(fs, &name, out, (uint64_t)st.st_size);
	blob_unpin(fs->store->blobs, &name);
	if (r < 0)
		return r;
	growth_account(fs, out, (uint64_t)st.st_size);
	fs_add(&fs->clones, 1);
	fs_add(&fs->cloned_bytes, (uint64_t)st.st_size);
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

int clone_lock_target(struct fs *fs, struct inode *inode, struct lock **ret)
{
	struct lock *lock;
	int r;

	*ret = NULL;
	if (!(atomic_load(&inode->flags) & INODE_TARGET))
		return 0;
	lock = move_lock_still(fs, inode);
	r = content_learn_locked(fs, inode,
				 -1); /* a dead process may have begun to make a stub of it */
	if (r == 0)
		r = home_own_locked(fs, inode, lock, true);
	if (r < 0) {
		lock_drop(lock);
		return r;
	}
	*ret = lock;
	return 0;
}
