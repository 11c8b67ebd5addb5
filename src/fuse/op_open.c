/* SPDX-License-Identifier: MIT */
/*
 * From open to release.
 *
 * An open in passthrough leaves nothing here but counts: fi->fh is 0, the kernel works on the backing file.
 * An open through the daemon has a descriptor, which is fi->fh (never 0: that is stdin). All opens of an
 * inode at a time are of one kind, as the kernel demands; only direct I/O may stand beside either.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuse/refresh.h"
#include "fuse/reply.h"
#include "fuse/target.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Flags of open(2) that the kernel has dealt with before it asks us. */
#define HANDLED_FLAGS                                                                              \
	(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_DIRECT | O_NOFOLLOW | O_NOATIME)

static bool writes(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

/*
 * Register the backing file, if it is not. Always through an O_PATH descriptor: a registered id outlives the open,
 * and one made from an open file would count as one for as long, so that the file would be in use for ever
 * (store/lease.h). The caller holds the inode's lock. 0 or -errno.
 */
static int register_locked(struct fs *fs, struct inode *inode)
{
	_cleanup_close_ int own = -1;
	int fd = inode->fd;
	int id;

	if (inode->backing_id)
		return 0;
	if (fd < 0)
		fd = own = handle_try_open(fs->store->fd, &inode->handle, O_PATH);
	if (fd < 0)
		return fd;
	node_learn_flags_locked(inode, fd);
	id = backing_register(fs->backing, fd);
	if (id < 0)
		return id;
	inode->backing_id = id;
	return 0;
}

/* The kernel opens a registered file without looking at these. */
static bool forbidden(const struct inode *inode, const struct fuse_file_info *fi)
{
	uint32_t flags = atomic_load(&inode->flags);

	return writes(fi) &&
	       (flags & INODE_IMMUTABLE || (flags & INODE_APPEND && !(fi->flags & O_APPEND)));
}

static int open_backing(struct fs *fs, struct inode *inode, int fd, int flags)
{
	int r;

	if (fd >= 0) {
		r = fcntl(fd, F_DUPFD_CLOEXEC, 1);
		return r < 0 ? -errno : r;
	}
	r = node_open(fs, inode, flags & ~HANDLED_FLAGS);
	if (r == -EPERM && flags & O_APPEND) /* chattr +a */
		r = node_open(fs, inode, (flags & ~HANDLED_FLAGS) | O_APPEND);
	return r;
}

static void count_open_locked(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	inode->nopen++;
	if (writes(fi))
		inode->nopen_write++;
	if (writes(fi) || fi->flags & O_TRUNC)
		node_unseal_locked(fs, inode);
	exec_opened(inode->exec);
}

/*
 * Passthrough, if it is to be had. Returns 1 if it is, 0 if the daemon must serve this open, -errno.
 */
static int open_passthrough(struct fs *fs, struct inode *inode, struct fuse_file_info *fi)
{
	int r;

	LOCK_SCOPE(itable_lock(fs->itable, inode));
	if (!fs->config.passthrough || atomic_load(&inode->flags) & INODE_CACHED)
		return 0;
	r = register_locked(fs, inode);
	if (r == -ESTALE)
		return r;
	if (r < 0) {
		if (inode->nopen > 0) /* a new kind beside passthrough opens is not allowed */
			return r;
		log_debug("op=open ino=%llu passthrough error=%s, serving it ourselves",
			  (unsigned long long)inode->ino, log_errname(r));
		return 0;
	}
	if (forbidden(inode, fi))
		return -EPERM;
	if ((fi->flags & O_ACCMODE) == O_RDWR)
		atomic_fetch_or(&inode->flags, INODE_DIRTY_MAP);
	fi->backing_id = inode->backing_id;
	fi->fh = 0;
	count_open_locked(fs, inode, fi);
	return 1;
}

static int open_daemon(struct fs *fs, struct inode *inode, int fd, struct fuse_file_info *fi)
{
	int own = open_backing(fs, inode, fd, fi->flags);
	bool beside; /* passthrough opens */

	if (own < 0)
		return own;
	fi->fh = (uint64_t)own;
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	beside = inode->nopen > 0 && !(atomic_load(&inode->flags) & INODE_CACHED);
	if (!beside)
		atomic_fetch_or(&inode->flags, INODE_CACHED);
	if (beside || (fi->flags & O_ACCMODE) == O_WRONLY) {
		fi->direct_io = 1; /* saves the writer a copy into the page cache */
		fi->parallel_direct_writes = 1;
	} else if (!fs->config.passthrough) { /* else others may have changed it past the cache */
		fi->keep_cache = 1;
	}
	count_open_locked(fs, inode, fi);
	return 0;
}

/* Open the inode for this request. */
static int open_inode(struct fs *fs, struct inode *inode, int fd, struct fuse_file_info *fi)
{
	int r = open_passthrough(fs, inode, fi);

	fi->noflush =
		1; /* nothing to flush: writes are in the backing file when write(2) returns */
	if (r == 1) {
		atomic_fetch_add_explicit(&fs->opens_passthrough, 1, memory_order_relaxed);
		return 0;
	}
	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&fs->opens_daemon, 1, memory_order_relaxed);
	return open_daemon(fs, inode, fd, fi);
}

static bool has_opens(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return inode->nopen > 0;
}

/* All reads and writes of it were answered before; named in tests/lib/tsan.supp, because nobody sees that. */
static void close_fh(const struct fuse_file_info *fi)
{
	if (fi->fh)
		(void)safe_close((int)fi->fh);
}

/* Undo open_inode(): at release, or if the kernel did not take the open. True if its last writer is gone. */
static bool close_inode(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	bool keep = false;
	bool last_open;
	bool last_writer = false;
	int drop = 0;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		inode->nopen--;
		if (writes(fi))
			last_writer = --inode->nopen_write == 0;
		exec_closed(inode->exec);
		last_open = inode->nopen == 0 && !fi->fh;
		if (inode->nopen == 0) {
			uint32_t flags = atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_CACHED);

			if (flags & INODE_ORPHAN) {
				drop = inode->backing_id;
				inode->backing_id = 0;
			} else if (inode->backing_id && !(flags & INODE_WARM)) {
				keep = true;
				atomic_fetch_or(&inode->flags, INODE_WARM);
			}
		}
	}
	backing_unregister(fs->backing, drop);
	if (keep)
		backing_keep(fs->backing, inode);
	if (last_open && fs->refresh)
		refresh_closed(fs->refresh, itable_nodeid(fs->itable, inode));
	close_fh(fi);
	return last_writer;
}

/* O_TRUNC comes with the open (FUSE_CAP_ATOMIC_O_TRUNC). */
static int truncate_inode(struct fs *fs, fuse_req_t req, struct inode *inode,
			  const struct fuse_file_info *fi)
{
	_cleanup_close_ int fd = -1;

	node_write_begin(fs, inode);
	fd = node_open(fs, inode, O_WRONLY | O_TRUNC | O_NONBLOCK);
	(void)node_write_end(fs, inode); /* the open itself comes next */
	if (fd < 0)
		return fd;
	node_account_size(fs, inode, 0);
	return attr_drop_setid(req, inode, fi, fd);
}

/*
 * Open what a client found by a name. Entering the execution settles it with a release under way: either the
 * open is counted first, and an expiry leaves the execution alone; or the name is gone, ESTALE makes the
 * kernel look it up again, and it is not found. Whoever has the file open already may open it again.
 */
static int open_named(struct fs *fs, fuse_req_t req, struct inode *inode, struct fuse_file_info *fi)
{
	struct execution *e = node_exec(fs, inode);
	bool entered = exec_enter(e) == 0;
	int r = -ESTALE;

	if (entered || has_opens(fs, inode))
		r = fi->flags & O_TRUNC ? truncate_inode(fs, req, inode, fi) : 0;
	if (r == 0)
		r = open_inode(fs, inode, -1, fi);
	if (entered) {
		exec_leave(e);
		exec_vacate(e);
	}
	exec_unref(fs->execs, e);
	return r;
}

void op_open(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;
	int r;

	fs_count(fs, FS_OP_open);
	if (is_control(nodeid)) {
		opc_open(req, nodeid, fi);
		return;
	}
	inode = node_find(fs, nodeid);
	r = inode ? open_named(fs, req, inode, fi) : -ESTALE;
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	node_touch(fs, inode);
	lock_assert_none();
	if (fuse_reply_open(req, fi) < 0)
		(void)close_inode(fs, inode, fi);
}

void op_release(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;
	struct stat st = { 0 };

	fs_count(fs, FS_OP_release);
	if (is_control(nodeid)) {
		opc_release(req, fi);
		return;
	}
	inode = node_find(fs, nodeid);
	if (inode) {
		if (writes(fi) &&
		    (fi->fh ? fstat((int)fi->fh, &st) == 0 : node_stat(fs, inode, &st) == 0) &&
		    !(atomic_load(&inode->flags) & INODE_ORPHAN))
			node_account_size(fs, inode, (uint64_t)st.st_size);
		node_touch(fs, inode);
		if (close_inode(fs, inode, fi) && !(atomic_load(&inode->flags) & INODE_ORPHAN))
			seal_closed(fs->seal, inode->ino, &inode->handle, (uint64_t)st.st_size);
		seal_idle(fs->seal, inode->ino, &inode->handle);
	}
	reply_err(req, inode ? 0 : -ESTALE);
}

/* ---- creation ---- */

static void reply_create(fuse_req_t req, struct fs *fs, struct inode *inode,
			 const struct fuse_entry_param *e, struct fuse_file_info *fi)
{
	lock_assert_none();
	if (fuse_reply_create(req, e, fi) <
	    0) { /* interrupted: the kernel knows neither open nor entry */
		(void)close_inode(fs, inode, fi);
		itable_forget(fs->itable, e->ino, 1);
	}
}

/* If it is there, although the kernel thought it was not: -ESTALE makes it look the name up again, and open that. */
static int create_file(struct fs *fs, fuse_req_t req, struct target *t, const char *name,
		       mode_t mode, int flags)
{
	int how = O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd;
	int r = fs_assume(fs, req, false);

	if (r < 0)
		return r;
	fd = openat(t->ref.fd, name, how | (flags & O_ACCMODE), mode);
	if (fd < 0 && errno == EEXIST && !(flags & O_EXCL))
		return -ESTALE;
	return fd < 0 ? -errno : fd;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = { 0 };
	_cleanup_close_ int fd = -1;
	struct inode *inode = NULL;
	struct target t;
	int r;

	fs_count(fs, FS_OP_create);
	if (is_control(parent)) {
		reply_err(req, -EPERM);
		return;
	}
	r = target_enter(fs, req, parent, name, TARGET_MAKE, &t);
	if (r == 0) {
		fd = create_file(fs, req, &t, name, mode, fi->flags);
		r = fd < 0 ? fd : target_entry(fs, &t, name, fd, &inode, &e);
		if (r == 0) {
			atomic_fetch_or(&inode->flags,
					INODE_NO_CAPABILITY); /* nothing is set on it yet */
			target_created(fs, &t, req, name, inode, &e.attr);
			r = open_inode(fs, inode, fd, fi);
			if (r < 0)
				itable_unref(fs->itable, inode);
		}
		target_leave(fs, &t);
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_create(req, fs, inode, &e, fi);
}

/* A nameless file: reached through a descriptor until somebody links it. */
static int make_nameless(struct fs *fs, struct target *t, int fd, struct inode **ret_inode,
			 struct fuse_entry_param *e)
{
	struct procfd path = procfd(fd);
	int keep;
	int r = target_entry(fs, t, "", fd, ret_inode, e);

	if (r < 0)
		return r;
	keep = open(path.name, O_PATH | O_CLOEXEC);
	if (keep < 0) {
		r = -errno;
		itable_unref(fs->itable, *ret_inode);
		return r;
	}
	node_orphan(fs, *ret_inode, keep);
	return 0;
}

void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = { 0 };
	_cleanup_close_ int fd = -1;
	struct inode *inode = NULL;
	struct target t;
	int r;

	fs_count(fs, FS_OP_tmpfile);
	r = is_control(parent) ? -EPERM
			       : target_enter(fs, req, parent, "#tmpfile", TARGET_MAKE, &t);
	if (r == 0) {
		r = fs_assume(fs, req, false);
		if (r == 0) {
			fd = openat(t.ref.fd, ".",
				    O_TMPFILE | O_RDWR | O_CLOEXEC | (fi->flags & O_EXCL), mode);
			r = fd < 0 ? -errno : make_nameless(fs, &t, fd, &inode, &e);
		}
		if (r == 0) {
			r = open_inode(fs, inode, fd, fi);
			if (r < 0)
				itable_unref(fs->itable, inode);
		}
		target_leave(fs, &t);
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_create(req, fs, inode, &e, fi);
}
