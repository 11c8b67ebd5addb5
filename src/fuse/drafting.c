/* SPDX-License-Identifier: MIT */
/*
 * The mark on the file is what counts (I13): before it there is a draft that nobody needs, after it the file is its
 * stub. The name of a draft follows from the file's handle, so nothing has to be remembered of it.
 */
#include "fuse/drafting.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuse/move.h"
#include "fuse/node.h"
#include "store/blob_away.h"
#include "store/procfd.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* The time of the content is not that at which it came to be there. */
static int redirect(struct fs *fs, int fd, int draft, const struct blob_name *name,
		    const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = futimens(draft, times) < 0 ? -errno : stub_redirect(fd, name);

	if (r < 0)
		draft_remove(fs->store->blobs, name);
	blob_unpin(fs->store->blobs, name); /* the mark keeps it from now on */
	return r;
}

static int begin(struct fs *fs, struct inode *inode, struct blob_name *ret)
{
	_cleanup_close_ int fd = node_open(fs, inode, O_RDWR | O_NONBLOCK);
	_cleanup_close_ int draft = -1;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != 0)
		return -EUCLEAN;
	draft = draft_make(fs->store->blobs, &inode->handle, ret);
	return draft < 0 ? draft : redirect(fs, fd, draft, ret, &st);
}

int drafting_begin_locked(struct fs *fs, struct inode *inode, struct lock *lock)
{
	struct blob_name name;
	struct move move;
	int r;

	if (!S_ISREG(inode->mode) || inode->nopen > 0 || inode->nwriting > 0 ||
	    atomic_load(&inode->flags) & (INODE_STUB | INODE_SPLIT) ||
	    !move_begin(fs, &move, inode->ino))
		return -EBUSY;
	lock_drop(lock);
	r = begin(fs, inode, &name);
	lock_take(lock);
	if (r == 0) {
		atomic_fetch_or(&inode->flags, INODE_STUB | INODE_DRAFT);
		ledger_file_shared(fs->ledger, inode->ino, name.text);
		backing_unregister(fs->backing, inode_take_backing(inode)); /* its own */
	}
	move_end(fs, &move);
	return r;
}

int drafting_copy(struct fs *fs, struct inode *inode, int fd, const struct blob_name *from,
		  struct blob_name *ret)
{
	_cleanup_close_ int draft = -1;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	draft = draft_make_copy(fs->store->blobs, &inode->handle, from, ret);
	return draft < 0 ? draft : redirect(fs, fd, draft, ret, &st);
}

void drafting_count_locked(struct fs *fs, const struct inode *inode, int more)
{
	if (blobs_have_away(fs->store->blobs) && !drafting_is(inode))
		atomic_fetch_add_explicit(&fs->writers, (uint32_t)more, memory_order_relaxed);
}

void drafting_hold_locked(struct fs *fs, struct inode *inode)
{
	int fd;

	if (!drafting_is(inode) || inode->fd >= 0)
		return;
	fd = node_open_locked(fs, inode, O_PATH | O_NOFOLLOW);
	if (!fs_may_keep(fs, fd)) {
		(void)safe_close(fd);
		return;
	}
	keep_fd(fd);
	inode->fd = fd < 0 ? -1 : fd;
}

int drafting_let_go_locked(struct inode *inode)
{
	if (!drafting_is(inode) || atomic_load(&inode->flags) & (INODE_ORPHAN | INODE_SPLIT))
		return -1; /* it is kept until the kernel forgets it */
	return inode_take_fd(inode);
}

uint32_t fs_writers(void *ctx)
{
	struct fs *fs = ctx;

	return atomic_load_explicit(&fs->writers, memory_order_relaxed);
}

void drafting_record(struct fs *fs, const struct inode *inode)
{
	struct blob_name name;

	if (drafting_is(inode) && draft_name_of(&inode->handle, &name) == 0)
		ledger_file_shared(fs->ledger, inode->ino, name.text);
}

/* ---- what the daemon does with it ---- */

/* What the kernel takes away from a file that is written to, it would take from the draft, which does not have it. */
static void drop_capability(struct fs *fs, struct inode *inode)
{
	uint32_t known = atomic_load(&inode->flags) & (INODE_NO_CAPABILITY | INODE_CAPABILITY_SET);
	_cleanup_close_ int fd = -1;
	struct procfd path;

	if (known == INODE_NO_CAPABILITY)
		return;
	fd = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	path = procfd(fd);
	if (fd >= 0)
		(void)!removexattr(path.name, "security.capability"); /* mostly there is none */
}

int drafting_open(struct fs *fs, struct inode *inode, int flags)
{
	struct blob_name name;
	int r = draft_name_of(&inode->handle, &name);

	if (r == 0 && (flags & O_ACCMODE) != O_RDONLY)
		drop_capability(fs, inode);
	return r < 0 ? r : draft_open(fs->store->blobs, &name, flags);
}

int drafting_in_use(struct fs *fs, struct inode *inode)
{
	struct blob_name name;
	int r = draft_name_of(&inode->handle, &name);

	return r < 0 ? r : blob_in_use(fs->store->blobs, &name);
}

int drafting_is_writable(struct fs *fs, struct inode *inode)
{
	struct blob_name name;
	int r = draft_name_of(&inode->handle, &name);

	return r < 0 ? r : draft_is_writable(fs->store->blobs, &name);
}

int drafting_tell(struct fs *fs, struct inode *inode)
{
	_cleanup_close_ int fd = -1;
	struct blob_name name;
	uint64_t bytes;
	int r = draft_name_of(&inode->handle, &name);

	if (r < 0)
		return r;
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	if (!drafting_is(inode))
		return 0;
	fd = node_open_locked(fs, inode, O_WRONLY | O_NONBLOCK);
	r = fd < 0 ? fd : draft_tell_stub(fs->store->blobs, &name, fd, &bytes);
	FAULT_POINT("draft-told");
	return r;
}

int drafting_cut(struct fs *fs, struct inode *inode, uint64_t bytes)
{
	_cleanup_close_ int draft = drafting_open(fs, inode, O_WRONLY);

	if (draft < 0)
		return draft;
	if (FAULT_CALL("draft-cut", ftruncate(draft, (off_t)bytes)) < 0)
		return -errno;
	FAULT_POINT("draft-cut");
	return drafting_tell(fs, inode);
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

void drafting_show(struct fs *fs, const struct blob_name *name, struct stat *st)
{
	struct stat own;

	if (blob_stat(fs->store->blobs, name, &own) < 0)
		return;
	st->st_size = own.st_size;
	st->st_blocks = own.st_blocks;
	st->st_mtim = own.st_mtim;
	if (is_later(&own.st_ctim, &st->st_ctim))
		st->st_ctim = own.st_ctim;
}
