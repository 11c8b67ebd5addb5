/* SPDX-License-Identifier: MIT */
/*
 * Files whose content is on the disk from its first byte on, while memory is short (store/draft.h). Such a file is a
 * stub, INODE_DRAFT beside INODE_STUB, of a blob that is its own: the kernel is given that as backing file also by who
 * writes, and what the daemon is asked of content, size and time it does with the draft. Nothing else about it
 * differs from a file in memory: all opens have the same backing file, so none of them is split off.
 *
 *     empty file --drafting_begin_locked()--> draft --truncated to 0 by who opens it, and memory is not short--> file
 *     stub of another blob --drafting_copy()--^       (content_own_locked())
 *
 * Both ways only while nobody has it open. It stays where it is when memory is not short any more.
 */
#ifndef FUSE_DRAFTING_H
#define FUSE_DRAFTING_H

#include "fuse/fs.h"
#include "store/draft.h"

/* Changes as INODE_STUB does. */
static inline bool drafting_is(const struct inode *inode)
{
	return atomic_load(&inode->flags) & INODE_DRAFT;
}

/* Whether new files are to be drafts now: a comparison. */
static inline bool drafting_is_wanted(const struct fs *fs)
{
	return drafts_wanted(fs->store->blobs);
}

/*
 * An open in passthrough of somebody who writes, with the inode's lock: +1 or -1. What he writes is not seen, and has to
 * find room (exec/evict.h).
 */
void drafting_count_locked(struct fs *fs, const struct inode *inode, int more);

/*
 * A release takes names away unheard, and what the kernel has open is the draft: so its file is held from its first open in
 * passthrough to its last close. What is not to be held any more is for the caller to close, or -1.
 */
void drafting_hold_locked(struct fs *fs, struct inode *inode);
int drafting_let_go_locked(struct inode *inode);

/*
 * An empty file that is about to be opened by the first who writes becomes a draft; it was learned (content.h), and
 * `lock`, from move_lock_still(), is dropped meanwhile. After an error it is what it was: -EBUSY, -EUCLEAN (not
 * empty), -ENOSPC, -errno.
 */
int drafting_begin_locked(struct fs *fs, struct inode *inode, struct lock *lock) WARN_UNUSED;

/*
 * The stub of another blob, behind fd (open for writing), becomes a draft with the same content. The caller has begun a
 * move, and sees to what the inode remembers. 0 or -errno, as stub_home().
 */
int drafting_copy(struct fs *fs, struct inode *inode, int fd, const struct blob_name *from,
		  struct blob_name *ret) WARN_UNUSED;

/* It has a row in the ledger now: that says what it is. */
void drafting_record(struct fs *fs, const struct inode *inode);

/* Its content, for the caller. Flags as open(2). If that is to write its file loses security.capability, as any does. */
int drafting_open(struct fs *fs, struct inode *inode, int flags) WARN_UNUSED;

/* Whether somebody has its content open or mapped; and whether for writing. As in store/lease.h. */
int drafting_in_use(struct fs *fs, struct inode *inode) WARN_UNUSED;
int drafting_is_writable(struct fs *fs, struct inode *inode) WARN_UNUSED;

/* It has another size, or was written to: the file in the tree is told. Takes the lock. 0 or -errno. */
int drafting_tell(struct fs *fs, struct inode *inode) WARN_UNUSED;

/* ftruncate(2) of its content. */
int drafting_cut(struct fs *fs, struct inode *inode, uint64_t bytes) WARN_UNUSED;

/* Its size, blocks and times instead of the stub's. */
void drafting_show(struct fs *fs, const struct blob_name *name, struct stat *st);

#endif
