/* SPDX-License-Identifier: MIT */
/*
 * Where a file's content is: in its own inode, or in a blob, of which the file is a stub then (store/stub.h). The
 * kernel is given the one or the other as backing file; who reads has no means to tell.
 *
 *          fs_make_stub(): claimed, nobody has it open or mapped
 *     own ------------------------------------------------------> stub
 *      ^      content_own_locked(): before anybody may change it    |
 *      '------------------------------------------------------------'
 *
 * INODE_STUB repeats the mark on the file, INODE_LEARNED says that it does. Both change under the inode's lock.
 *
 * The way between the two is a move (move.h).
 *
 * What readers have when somebody is about to write:
 *
 *     mapped, and the descriptor closed   the blob, which never changes
 *     open through the daemon             the blob while it is a stub, then the file itself
 *     open in passthrough                 the blob, till they close
 *
 * To the last the kernel cannot give another file, and while they are there it takes no open of that inode that is
 * not theirs (direct I/O is refused, too, and would map the blob). So the inode is *split*: it is left to them, and
 * the file gets another one, with another node id and the same number. Whoever comes by a name is told ESTALE once,
 * at which the kernel looks the name up again. INODE_SPLIT, always with INODE_ORPHAN, is the one that is left; it
 * joins its file again if it is opened when they have gone, and if there is no other one then.
 */
#ifndef FUSE_CONTENT_H
#define FUSE_CONTENT_H

#include "fuse/fs.h"
#include "fuse/move.h"

/*
 * Learn what the file behind fd (O_PATH will do) is, unless that is known: whether chattr(1) keeps it from being
 * changed, and whether it is a stub. fd -1: it is opened for that. The caller has the lock from move_lock_still(). 0
 * or -errno: better not opened.
 */
int content_learn_locked(struct fs *fs, struct inode *inode, int fd) WARN_UNUSED;

/* What chattr(1) sets has changed. */
void content_learn_again_locked(struct inode *inode, int fd);

/*
 * Somebody is about to change the content of a file that was learned: it must be its own. wanted: with what it holds;
 * else it is cut to 0 if it is a stub. `lock` is the inode's, from move_lock_still(); it is dropped for a move and
 * taken again, and what was read under it has to be read again then. 0; 1: it is, but this inode was split off, so
 * the answer is -ESTALE; -ETXTBSY: it would have to be split, and has no name any more; -ENOSPC, -EIO (no such blob),
 * -errno: nothing has changed.
 */
int content_own_locked(struct fs *fs, struct inode *inode, struct lock *lock, bool wanted)
	WARN_UNUSED;

/* The file gets another inode with the next lookup; this one is left to those who have it open. */
void content_split_locked(struct fs *fs, struct inode *inode);

/*
 * An open that the daemon is to serve cannot stand beside readers in passthrough, of whatever file: the inode is left to
 * them; what is written they see, since the file is the same. 0: there are none; 1: it was split off, so -ESTALE is the
 * answer; -ETXTBSY: a writer is there as well, or it has no name any more.
 */
int content_split_readers_locked(struct fs *fs, struct inode *inode) WARN_UNUSED;

/* The same, with its content, for one that need not be learned yet; takes the lock. */
int content_own(struct fs *fs, struct inode *inode) WARN_UNUSED;

/*
 * The other way, under the same lock: the caller has made sure that nobody has the file open, that the
 * blob is pinned, and that it has the same content, or is empty and is to have it. Errors are those of stub_make();
 * -EBUSY: it is being moved.
 */
int content_stub_locked(struct fs *fs, struct inode *inode, struct lock *lock,
			const struct blob_name *name, bool empty) WARN_UNUSED;

/*
 * The blob of the stub behind fd (any kind of descriptor): one for the caller, opened O_RDONLY, or O_PATH. -ENODATA:
 * it is no stub, or no more; -ENOENT: there is no such blob; -errno.
 */
int content_open_blob(struct fs *fs, int fd, bool path) WARN_UNUSED;

/* Times are about to be set: what a crash left is settled first, which would set them back. */
void content_settle_locked(struct fs *fs, struct inode *inode);

/* Whether it is a stub, for one that need not be learned yet; takes the lock. 1, 0, -errno. */
int content_is_stub(struct fs *fs, struct inode *inode) WARN_UNUSED;

/* The blob of a stub, in the same way. -ENODATA: it is none. */
int content_blob_of(struct fs *fs, struct inode *inode, struct blob_name *ret) WARN_UNUSED;

/* It lost its last name; fd as before. Its blob stays until it is forgotten, for whoever has it open. */
void content_pin_locked(struct fs *fs, struct inode *inode, int fd, const struct stat *st);
void content_evict(struct fs *fs, struct inode *inode);

/*
 * fstat(2), but never of a moment when a move has changed the times and not set them back yet; and with the blocks
 * that the content of a stub takes in the blob.
 */
int content_stat(struct fs *fs, struct inode *inode, int fd, struct stat *ret) WARN_UNUSED;

/*
 * Whether somebody may have the blob of a stub mapped because of this inode. Which of several stubs a mapping is from
 * nobody can tell; but the kernel does not forget that one. So all that were opened are lent as long as somebody uses
 * the blob, and those that are found so are recalled: whoever is known the next time may be mapped. 1, 0, -errno.
 */
int content_is_lent_locked(struct fs *fs, struct inode *inode) WARN_UNUSED;
void content_recall(struct fs *fs, struct inode *inode); /* no lock held */

/* It may have been split just now: the kernel keeps no attributes of it. No lock may be held. */
void content_tell_split(struct fs *fs, struct inode *inode);

/* Attributes have changed that the kernel may have of another inode of the same file, if this one is split. */
void content_tell_twin(struct fs *fs, struct inode *inode);

/* Those blocks. fd as before, or -1. */
void content_show_blocks(struct fs *fs, struct inode *inode, int fd, struct stat *st);

#endif
