/* SPDX-License-Identifier: MIT */
/*
 * Both inodes of a file have its number and handle; the table finds the one that names lead to.
 */
#include "fuse/split.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/growth.h"
#include "fuse/move.h"
#include "fuse/node.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* How long a writer is expected. Source: he comes again at once, if his thread gets a CPU. */
#define EXPECTED_NS NS_PER_S

/* This one needs a descriptor, since it may lose its name unheard. */
static void split_inode_locked(struct fs *fs, struct inode *inode)
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

void split_from_stub_locked(struct fs *fs, struct inode *inode)
{
	atomic_fetch_or(&inode->flags, INODE_PAST);
	split_inode_locked(fs, inode);
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

/* Another file in the same place is served by the daemon for a second. */
static _Atomic int64_t *place_of(struct fs *fs, const struct inode *inode)
{
	return &fs->expected_mono_ns[inode->ino % FS_EXPECTED_WRITERS];
}

void split_expect_writer(struct fs *fs, const struct inode *inode)
{
	atomic_store(place_of(fs, inode), clock_mono_ns() + EXPECTED_NS);
}

bool split_is_expected(struct fs *fs, const struct inode *inode)
{
	int64_t until = atomic_load(place_of(fs, inode));

	return until > 0 && clock_mono_ns() < until;
}

void split_make_way(struct fs *fs, struct inode *inode)
{
	struct inode *twin;

	if (!growth_is_watched(fs) || !(atomic_load(&inode->flags) & INODE_SPLIT))
		return;
	split_expect_writer(fs, inode);
	twin = itable_peek(fs->itable, inode->ino, &inode->handle);
	if (!twin)
		return;
	{
		_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, twin);

		/* What is a stub has one name, and the writer came by another. */
		if (!(atomic_load(&twin->flags) & INODE_STUB))
			(void)!split_readers_locked(fs, twin);
	}
	split_tell(fs, twin);
	itable_unref(fs->itable, twin);
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
		if (st.st_nlink > 0)
			(void)safe_close(inode_take_fd(inode));
	}
	atomic_fetch_and(&inode->flags, ~(uint32_t)(INODE_SPLIT | INODE_PAST));
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

void split_show(struct inode *inode, struct stat *st)
{
	if (atomic_load(&inode->flags) & INODE_PAST)
		st->st_size = (off_t)inode->size_accounted; /* which does not change */
}

void split_tell(struct fs *fs, struct inode *inode)
{
	if (atomic_load(&inode->flags) & INODE_SPLIT)
		fs_attributes_changed(fs, itable_nodeid(fs->itable, inode));
}
