/* SPDX-License-Identifier: MIT */
/*
 * Where a file's content is: in its own inode, or in a blob, of which the file is a stub then (store/stub.h). The
 * kernel is given the one or the other as backing file; who reads has no means to tell.
 *
 *          home_leave_locked(): claimed, nobody has it open or mapped
 *     own -----------------------------------------------------------> stub
 *      ^      home_own_locked(): before anybody may change it            |
 *      '-----------------------------------------------------------------'
 *
 * INODE_STUB repeats the mark on the file, INODE_LEARNED says that it does. Both change under the inode's lock.
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
 * The blob of the stub behind fd (any kind of descriptor): one for the caller, opened O_RDONLY, or O_PATH. -ENODATA:
 * it is no stub, or no more; -ENOENT: there is no such blob; -errno.
 */
int content_open_blob(struct fs *fs, int fd, bool path) WARN_UNUSED;

/* Whether marks may be left that a crash, or a disk that refused, has left, so that they are looked for in every file. */
bool content_is_unsettled(const struct fs *fs);

/* Whether it is a stub, for one that need not be learned yet; takes the lock. 1, 0, -errno. */
int content_is_stub(struct fs *fs, struct inode *inode) WARN_UNUSED;

/* The blob of the stub behind fd. -ENODATA: it is none, or no more; -errno. */
int content_get_name(int fd, struct blob_name *ret) WARN_UNUSED;

/* The blob of a stub, in the same way as content_is_stub(). -ENODATA: it is none. */
int content_blob_of(struct fs *fs, struct inode *inode, struct blob_name *ret) WARN_UNUSED;

/* It lost its last name; fd as before. Its blob stays until it is forgotten, for whoever has it open. */
void content_pin_locked(struct fs *fs, struct inode *inode, int fd, const struct stat *st);
void content_evict(struct fs *fs, struct inode *inode);

/*
 * fstat(2), but never of a moment when a move has changed the times and not set them back yet; and with the blocks
 * that the content of a stub takes in the blob, and a draft's size and times.
 */
int content_stat(struct fs *fs, struct inode *inode, int fd, struct stat *ret) WARN_UNUSED;

/*
 * Whether somebody may have the blob of a stub mapped because of this inode. Which of several stubs a mapping is from
 * nobody can tell; but the kernel does not forget that one. So all that were opened are lent as long as somebody uses
 * the blob, and those that are found so are recalled: whoever is known the next time may be mapped. 1, 0, -errno.
 */
int content_is_lent_locked(struct fs *fs, struct inode *inode) WARN_UNUSED;
void content_recall(struct fs *fs, struct inode *inode); /* no lock held */

/* Those. fd as before, or -1. */
void content_show(struct fs *fs, struct inode *inode, int fd, struct stat *st);

#endif
