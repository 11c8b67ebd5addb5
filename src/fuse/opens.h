/* SPDX-License-Identifier: MIT */
/*
 * Opens of an inode.
 *
 * One in passthrough leaves nothing here but counts: fi->fh is 0, the kernel works on the backing file, or on the
 * blob if it is a stub (content.h). One through the daemon has descriptors, which are in fi->fh. All opens of an
 * inode at a time are of one kind (I2).
 */
#ifndef FUSE_OPENS_H
#define FUSE_OPENS_H

#include <fcntl.h>

#include "fuse/fs.h"

static inline bool opens_writes(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

/*
 * One more, for this request: fi has flags as open(2), and is filled in for the answer. `fd`: the file, open
 * already because it was just made; borrowed; or -1. The caller is inside the inode's execution. 0; -ESTALE:
 * another inode has the file by now, the kernel is to look it up again; -EPERM (chattr); -ENFILE, -errno: nothing
 * is open.
 */
int opens_begin(fuse_req_t req, struct inode *inode, int fd, struct fuse_file_info *fi) WARN_UNUSED;

/* One less, at its release. True if nobody is left who writes. */
bool opens_end(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi);

/* The same if the kernel did not take it. */
void opens_undo(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi);

/* The descriptors alone: what counted it has gone with another process. */
void opens_close_fh(const struct fuse_file_info *fi);

/*
 * fi->fh of an open that the daemon serves: the descriptor of the file itself (never 0: that is stdin), and of the
 * blob if it was a stub then, or 0. 0 in all if it is in passthrough.
 */
static inline uint64_t fh_of(int own, int blob)
{
	return (uint64_t)(uint32_t)own | (uint64_t)(uint32_t)blob << 32;
}

static inline int fh_own(const struct fuse_file_info *fi)
{
	return (int)(uint32_t)fi->fh;
}

static inline int fh_blob(const struct fuse_file_info *fi)
{
	return (int)(fi->fh >> 32);
}

#endif
