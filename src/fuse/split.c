/* SPDX-License-Identifier: MIT */
/*
 * Both inodes of a file have its number and handle; the table finds the one that names lead to.
 */
#include "fuse/split.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/node.h"
#include "util/cleanup.h"

/* This one needs a descriptor, since it may lose its name unheard. */
void split_inode_locked(struct fs *fs, struct inode *inode)
{
	if (inode->fd < 0) { /* a draft has one while it is open */
		int fd = node_open_locked(fs, inode, O_PATH | O_NOFOLLOW);

		keep_fd(fd);
		inode->fd = fd < 0 ? -1 : fd;
	}
	node_unseal_locked(fs, inode); /* nobody here hears of what is written next */
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_LEARNED);
	atomic_fetch_or(&inode->flags, INODE_SPLIT);
	itable_orphan(fs->itable, inode);
}

int split_readers_locked(struct fs *fs, struct inode *inode)
{
	if (inode->nopen <= inode->nopen_write + inode->nwriting ||
	    atomic_load(&inode->flags) & INODE_CACHED)
		return 0;
	if (inode->nopen_write > 0 || inode->nwriting > 0 ||
	    atomic_load(&inode->flags) & INODE_ORPHAN)
		return -ETXTBSY;
	split_inode_locked(fs, inode);
	return 1;
}

int split_rejoin_locked(struct fs *fs, struct inode *inode)
{
	struct stat st;

	if (inode->nopen > 0)
		return -ESTALE;
	if (inode->fd >= 0 && fstat(inode->fd, &st) == 0) {
		if (st.st_nlink > 0 && !itable_rejoin(fs->itable, inode))
			return -ESTALE;
		inode->size_accounted = (uint64_t)st.st_size; /* by the other one since */
		if (st.st_nlink > 0) {
			keep_fd_drop(inode->fd);
			inode->fd = safe_close(inode->fd);
		}
	}
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_SPLIT);
	return 0;
}

void split_tell_twin(struct fs *fs, struct inode *inode)
{
	struct inode *twin;

	if (!(atomic_load(&inode->flags) & INODE_SPLIT))
		return;
	twin = itable_peek(fs->itable, inode->ino, &inode->handle);
	if (!twin)
		return;
	fs_attributes_changed(fs, itable_nodeid(fs->itable, twin));
	itable_unref(fs->itable, twin);
}

void split_tell(struct fs *fs, struct inode *inode)
{
	if (atomic_load(&inode->flags) & INODE_SPLIT)
		fs_attributes_changed(fs, itable_nodeid(fs->itable, inode));
}
