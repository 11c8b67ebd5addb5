/* SPDX-License-Identifier: MIT */
/*
 * Inodes that are left to their readers. What readers have when somebody is about to write:
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
#ifndef FUSE_SPLIT_H
#define FUSE_SPLIT_H

#include "fuse/fs.h"

/* The file gets another inode with the next lookup; this one, a stub, is left to those who have its blob open. */
void split_from_stub_locked(struct fs *fs, struct inode *inode);

/*
 * An open that the daemon is to serve cannot stand beside readers in passthrough, of whatever file: the inode is left to
 * them; what is written they see, since the file is the same. 0: there are none; 1: it was split off, so -ESTALE is the
 * answer; -ETXTBSY: a writer is there as well, or it has no name any more.
 */
int split_readers_locked(struct fs *fs, struct inode *inode) WARN_UNUSED;

/*
 * A writer is told ESTALE, and the kernel looks the name up once more, not twice. So for a second what the name leads to
 * is opened through the daemon by readers, too, with whom he can share it. Before the answer. Without limit=strict
 * nobody asks: a writer in passthrough can share what is no stub, and what he comes to is none yet.
 */
void split_expect_writer(struct fs *fs, const struct inode *inode);
bool split_is_expected(struct fs *fs, const struct inode *inode);

/*
 * A writer came to one that was split off before, by another name perhaps, and is told ESTALE: those who read
 * the one that he comes to next, in passthrough, get that for themselves. No lock may be held.
 */
void split_make_way(struct fs *fs, struct inode *inode);

/*
 * One that was split off is opened. With the old readers gone it is like any other, unless the file has another one by
 * now: only one may be open for writing, or become a stub. Without a name it becomes no stub. 0, or -ESTALE.
 */
int split_rejoin_locked(struct fs *fs, struct inode *inode) WARN_UNUSED;

/*
 * The size of what its readers have, for one that was split off a stub: they would read less than they were told, or fault
 * where the blob ends. No name leads to it once that has changed: a stub has one name only, by which whoever came to
 * change it has looked the file up again.
 */
void split_show(struct inode *inode, struct stat *st);

/* It may have been split just now: the kernel keeps no attributes of it. No lock may be held. */
void split_tell(struct fs *fs, struct inode *inode);

/* Attributes have changed that the kernel may have of another inode of the same file, if this one is split. */
void split_tell_twin(struct fs *fs, struct inode *inode);

#endif
