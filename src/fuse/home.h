/* SPDX-License-Identifier: MIT */
/*
 * Content comes home from a blob, or leaves for one: the moves (move.h) between what content.h tells apart.
 */
#ifndef FUSE_HOME_H
#define FUSE_HOME_H

#include "fuse/fs.h"
#include "fuse/move.h"

/*
 * Somebody is about to change the content of a file that was learned: it must be its own. wanted: with what it holds;
 * else it is cut to 0 if it is a stub. `lock` is the inode's, from move_lock_still(); it is dropped for a move and
 * taken again, and what was read under it has to be read again then. 0; 1: it is, but this inode was split off, so
 * the answer is -ESTALE; -ETXTBSY: it would have to be split, and has no name any more; -ENOSPC, -EIO (no such blob),
 * -errno: nothing has changed.
 */
int home_own_locked(struct fs *fs, struct inode *inode, struct lock *lock, bool wanted) WARN_UNUSED;

/* The same, with its content, for one that need not be learned yet; takes the lock. */
int home_own(struct fs *fs, struct inode *inode) WARN_UNUSED;

/*
 * The other way, under the same lock: the caller has made sure that nobody has the file open, that the
 * blob is pinned, and that it has the same content, or is empty and is to have it. Errors are those of stub_make();
 * -EBUSY: it is being moved.
 */
int home_leave_locked(struct fs *fs, struct inode *inode, struct lock *lock,
		      const struct blob_name *name, bool empty) WARN_UNUSED;

/* Times are about to be set: what a crash left is settled first, which would set them back. */
void home_settle_locked(struct fs *fs, struct inode *inode);

#endif
