/* SPDX-License-Identifier: MIT */
/*
 * Which kind an open is to be is decided under the inode's lock, together with what it counts for: so all opens of an
 * inode at a time are of one kind, as the kernel demands.
 */
#include "fuse/opens.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "exec/limit.h"
#include "fuse/clone.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/home.h"
#include "fuse/refresh.h"
#include "fuse/request.h"
#include "fuse/split.h"
#include "store/lease.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/log.h"

/* Flags of open(2) that the kernel has dealt with before it asks us. */
#define HANDLED_FLAGS                                                                              \
	(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_DIRECT | O_NOFOLLOW | O_NOATIME)

/* An open on its way. */
struct opening {
	struct fs *fs;
	struct inode *inode;
	struct fuse_file_info *fi;
	int fd;	     /* open already, of what was just created; borrowed; or -1 */
	bool target; /* of a copy, it seems: not in passthrough */
	int path_fd; /* O_PATH, once somebody needed it; owned */
};

/* O_PATH, borrowed until the lock is dropped. */
static int path_locked(struct opening *o)
{
	if (o->inode->fd >= 0)
		return o->inode->fd;
	if (o->path_fd < 0)
		o->path_fd = handle_try_open(o->fs->store->fd, &o->inode->handle, O_PATH);
	return o->path_fd;
}

/* Who opens a registered file is not asked for these by the kernel. */
static bool forbidden(const struct inode *inode, const struct fuse_file_info *fi)
{
	uint32_t flags = atomic_load(&inode->flags);

	return opens_writes(fi) &&
	       (flags & INODE_IMMUTABLE || (flags & INODE_APPEND && !(fi->flags & O_APPEND)));
}

/*
 * Memory is short: a file that is empty begins on the disk. If it cannot, in memory. Whoever has it mapped from
 * before it was cut, or open with an inode that is left to him (split.h), would not see what is written: then it
 * stays where he has it.
 */
static void begin_draft_locked(struct opening *o, struct lock *lock)
{
	int r = -EBUSY;

	if (o->target)
		return;
	if (o->fd >= 0 || lease_in_use(o->fs->store->fd, &o->inode->handle) == 0)
		r = drafting_begin_locked(o->fs, o->inode, lock);
	if (r < 0 && r != -EBUSY && r != -EUCLEAN)
		log_debug("op=open ino=%llu error=%s: begins in memory",
			  (unsigned long long)o->inode->ino, log_errname(r));
}

/*
 * What it is; and if it is opened for writing, its content is its own from now on: it counts before the lock is
 * dropped again, and nothing that is open becomes a stub. The lock may be dropped before.
 */
static int prepare_locked(struct opening *o, struct lock *lock)
{
	int fd = 0;
	int r = 0;

	FAULT_HANG("open");
	if (!(atomic_load(&o->inode->flags) & INODE_LEARNED)) {
		fd = o->fd >= 0 ? o->fd : path_locked(o);
		r = fd < 0 ? fd : content_learn_locked(o->fs, o->inode, fd);
	}
	if (r == 0 && forbidden(o->inode, o->fi))
		r = -EPERM;
	if (r == 0 && opens_writes(o->fi))
		r = home_own_locked(o->fs, o->inode, lock, true);
	if (r == 0 && opens_writes(o->fi) && drafting_is_wanted(o->fs))
		begin_draft_locked(o, lock);
	if (r == 0 && opens_writes(o->fi) && growth_is_watched(o->fs))
		r = split_readers_locked(o->fs, o->inode);
	if (r == 1)
		split_expect_writer(o->fs, o->inode);
	return r == 1 ? -ESTALE : r;
}

/*
 * Register the backing file, or its blob, if none is. Always through an O_PATH descriptor: a registered id outlives
 * the open, and one made from an open file would count as one for as long, so that the file would be in use for ever
 * (store/lease.h). 0 or -errno.
 */
static int register_locked(struct opening *o)
{
	struct inode *inode = o->inode;
	_cleanup_close_ int blob = -1;
	int fd;
	int id;

	if (inode->backing_id)
		return 0;
	fd = path_locked(o);
	if (fd >= 0 && atomic_load(&inode->flags) & INODE_STUB)
		fd = blob = content_open_blob(o->fs, fd, true);
	if (fd < 0)
		return fd;
	id = backing_register(o->fs->backing, fd);
	if (id < 0)
		return id;
	inode->backing_id = id;
	fs_add(&o->fs->registered, 1);
	return 0;
}

static int open_backing_locked(struct opening *o)
{
	int flags = o->fi->flags & ~HANDLED_FLAGS;
	int r;

	if (o->fd >= 0) {
		r = fcntl(o->fd, F_DUPFD_CLOEXEC, 1);
		return r < 0 ? -errno : r;
	}
	r = node_open_locked(o->fs, o->inode, flags);
	if (r == -EPERM && o->fi->flags & O_APPEND) /* chattr +a */
		r = node_open_locked(o->fs, o->inode, flags | O_APPEND);
	return r;
}

/* `given` counts the bytes that whoever opens the file may read from now on. */
static void count_open_locked(struct opening *o, _Atomic uint64_t *given)
{
	struct inode *inode = o->inode;

	inode->nopen++;
	if (opens_writes(o->fi))
		inode->nopen_write++;
	/* At once: what is counted and not noted is never uncounted. */
	request_opened(itable_nodeid(o->fs->itable, inode), o->fi->fh, opens_writes(o->fi));
	if (inode->nopen == 1 && atomic_load(&inode->flags) & INODE_ORPHAN)
		exec_account_nameless(inode->exec, node_nameless_bytes_locked(inode));
	if ((o->fi->flags & O_ACCMODE) != O_WRONLY)
		fs_add(given, inode->size_accounted);
	if (opens_writes(o->fi) || o->fi->flags & O_TRUNC)
		node_unseal_locked(o->fs, inode);
	exec_opened(inode->exec);
	FAULT_HANG("counted");
}

/*
 * Passthrough, if it is to be had. Returns 1 if it is, 0 if the daemon must serve this open, -errno.
 */
static int open_passthrough_locked(struct opening *o)
{
	struct inode *inode = o->inode;
	int r;

	if (!o->fs->config.passthrough || o->target || atomic_load(&inode->flags) & INODE_CACHED)
		return 0;
	if (growth_is_watched(o->fs) &&
	    (opens_writes(o->fi) || (inode->nopen == 0 && split_is_expected(o->fs, inode))))
		return 0;
	r = register_locked(o);
	if (r == -ESTALE)
		return r;
	if (r < 0) {
		if (inode->nopen > 0) /* a new kind beside passthrough opens is not allowed */
			return r;
		log_debug("op=open ino=%llu passthrough error=%s, serving it ourselves",
			  (unsigned long long)inode->ino, log_errname(r));
		return 0;
	}
	if ((o->fi->flags & O_ACCMODE) == O_RDWR)
		atomic_fetch_or(&inode->flags, INODE_DIRTY_MAP);
	if (atomic_load(&inode->flags) & INODE_STUB)
		atomic_fetch_or(&inode->flags, INODE_LENT);
	o->fi->backing_id = inode->backing_id;
	o->fi->fh = 0;
	drafting_hold_locked(o->fs, inode);
	if (opens_writes(o->fi))
		drafting_count_locked(o->fs, inode, 1);
	count_open_locked(o, &o->fs->given_passthrough);
	return 1;
}

/*
 * What the open is served from: its own file, and the blob if it is a stub, which it stays as long as that is of use.
 */
static int open_files_locked(struct opening *o)
{
	int own = open_backing_locked(o);
	int blob = 0;

	if (own < 0)
		return own;
	if (!fs_may_keep(o->fs, own))
		blob = -ENFILE;
	else if ((atomic_load(&o->inode->flags) & (INODE_STUB | INODE_DRAFT)) == INODE_STUB)
		blob = content_open_blob(o->fs, own, false);
	if (blob < 0) {
		(void)safe_close(own);
		return blob;
	}
	keep_fd(own);
	if (blob)
		keep_fd(blob);
	o->fi->fh = fh_of(own, blob);
	return 0;
}

static int open_daemon_locked(struct opening *o)
{
	struct inode *inode = o->inode;
	struct fuse_file_info *fi = o->fi;
	int r = open_files_locked(o);

	if (r < 0)
		return r;
	atomic_fetch_or(&inode->flags, INODE_CACHED | (o->target ? INODE_TARGET : 0));
	if ((fi->flags & O_ACCMODE) == O_WRONLY) {
		fi->direct_io = 1; /* saves the writer a copy into the page cache */
		fi->parallel_direct_writes = 1;
	} else {
		/* With passthrough, others may have changed it past the cache. */
		fi->keep_cache = !o->fs->config.passthrough;
	}
	count_open_locked(o, &o->fs->given_daemon);
	return 0;
}

/* 1: in passthrough, 0: by the daemon, -errno. */
static int open_either(struct opening *o)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(o->fs, o->inode);
	int r = prepare_locked(o, lock);

	if (r == 0)
		r = open_passthrough_locked(o);
	return r == 0 ? open_daemon_locked(o) : r;
}

/* Open the inode for this request. */
int opens_begin(fuse_req_t req, struct inode *inode, int fd, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	pid_t thread = fuse_req_ctx(req)->pid;
	struct opening o = { .fs = fs, .inode = inode, .fi = fi, .fd = fd, .path_fd = -1 };
	int r;

	o.target = fd >= 0 && clone_is_expected(fs, thread, fi->flags);
	r = open_either(&o);
	(void)safe_close(o.path_fd);
	if (r >= 0 && !opens_writes(fi) &&
	    (atomic_load(&inode->flags) & (INODE_STUB | INODE_DRAFT)) == INODE_STUB)
		clone_note_source(fs, thread);
	if (r < 0)
		return r;
	fi->noflush =
		1; /* nothing to flush: writes are in the backing file when write(2) returns */
	atomic_fetch_add_explicit(r ? &fs->opens_passthrough : &fs->opens_daemon, 1,
				  memory_order_relaxed);
	return 0;
}

/* All reads and writes of it were answered before; named in tests/lib/tsan.supp, because nobody sees that. */
void opens_close_fh(const struct fuse_file_info *fi)
{
	request_closes();
	if (fh_blob(fi)) {
		keep_fd_drop(fh_blob(fi));
		(void)safe_close(fh_blob(fi));
	}
	if (fi->fh) {
		keep_fd_drop(fh_own(fi));
		(void)safe_close(fh_own(fi));
	}
}

/* Undo opens_begin(): at release, or if the kernel did not take the open. True if its last writer is gone. */
bool opens_end(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	struct refresh *refresh = atomic_load(&fs->refresh);
	bool keep = false;
	bool last_open;
	bool last_writer = false;
	int held = -1;
	int drop = 0;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		FAULT_HANG("uncounts");
		if (inode->nopen == 1 && atomic_load(&inode->flags) & INODE_ORPHAN)
			exec_account_nameless(inode->exec, -node_nameless_bytes_locked(inode));
		request_uncounts(); /* nothing in between: what is noted and not done is never done */
		inode->nopen--;
		if (opens_writes(fi))
			last_writer = --inode->nopen_write == 0 && inode->nwriting == 0;
		if (opens_writes(fi) && !fi->fh)
			drafting_count_locked(fs, inode, -1);
		exec_closed(inode->exec);
		last_open = inode->nopen == 0 && !fi->fh;
		if (inode->nopen == 0) {
			uint32_t flags = atomic_fetch_and(&inode->flags,
							  ~(uint32_t)(INODE_CACHED | INODE_TARGET));

			held = drafting_let_go_locked(inode);
			if (flags & INODE_ORPHAN) {
				drop = inode_take_backing(inode);
			} else if (inode->backing_id && !(flags & INODE_WARM)) {
				keep = true;
				atomic_fetch_or(&inode->flags, INODE_WARM);
			}
		}
	}
	(void)safe_close(held);
	backing_unregister(fs->backing, drop);
	if (keep)
		backing_keep(fs->backing, inode);
	if (last_open && refresh)
		refresh_closed(refresh, itable_nodeid(fs->itable, inode));
	opens_close_fh(fi);
	return last_writer;
}

/* The kernel did not take it. */
void opens_undo(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	request_not_opened();
	(void)opens_end(fs, inode, fi);
}
