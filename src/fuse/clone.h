/* SPDX-License-Identifier: MIT */
/*
 * Instant copies: copy_file_range(2) of a whole shared file makes the destination another stub of the same blob,
 * whatever the size.
 *
 * The destination is open for writing, and in passthrough the kernel would write to it unseen. So it must be an open
 * that the daemon serves; and that is decided when it is opened. cp(1) and libuv's uv_fs_copyfile() open the source
 * for reading and then make the destination with the same thread at once, write-only and without O_TRUNC: such an
 * open is taken for a copy's, and if it was not, it is only slower. While it lasts (INODE_TARGET) whatever changes
 * the content does so under the inode's lock, so that it meets either the file or the stub.
 */
#ifndef FUSE_CLONE_H
#define FUSE_CLONE_H

#include "fuse/fs.h"

/* A thread opened a stub for reading. */
void clone_note_source(struct fs *fs, pid_t thread);

/* Whether a file that it has just made, with these flags of open(2), is likely to be where it copies that to. */
bool clone_is_expected(struct fs *fs, pid_t thread, int flags);

/*
 * Make `out`, which is empty and was opened as expected, a stub of the blob that `in` is one of, read through
 * from_fd (its own file, any kind of descriptor). *ret_bytes: its size. -EDQUOT: its execution may not have as much;
 * -EOPNOTSUPP: not these two; -errno: likewise copy the bytes.
 */
int clone_whole(struct fs *fs, int from_fd, struct inode *out, uint64_t at_most,
		uint64_t *ret_bytes) WARN_UNUSED;

/*
 * The lock under which a target is changed, and not a stub then: *ret is NULL for other files, which are none while
 * somebody may write to them. The caller drops it. 0 or -errno.
 */
int clone_lock_target(struct fs *fs, struct inode *inode, struct lock **ret) WARN_UNUSED;

#endif
