/* SPDX-License-Identifier: MIT */
/*
 * Files that the kernel does not know: it forgets inodes when it wants memory, and after a start it knows none. What
 * the daemon does to a file's content of its own accord needs an inode all the same: for its lock, and to be found by
 * whoever looks the file up meanwhile.
 */
#ifndef FUSE_FORGOTTEN_H
#define FUSE_FORGOTTEN_H

#include "fuse/fs.h"

/*
 * The inode of a regular file, known or not, with a lookup for the caller: itable_unref() gives it back. No lock is
 * held. 0; -ESTALE: the file is gone, or is in no execution any more; -errno.
 */
int forgotten_find(struct fs *fs, uint64_t ino, const struct handle *h, struct inode **ret)
	WARN_UNUSED;

#endif
