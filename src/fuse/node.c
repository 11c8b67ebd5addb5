/* SPDX-License-Identifier: MIT */
/*
 * Inodes: from the table's entry to the backing file. An operation's inode stays because the kernel holds a lookup on it.
 */
#include "fuse/node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "exec/limit.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/node_exec.h"
#include "fuse/private.h"
#include "fuse/request.h"
#include "store/lease.h"
#include "store/mark.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* ---- the backing file ---- */

int node_handle(struct fs *fs, struct inode *inode, struct handle *ret)
{
	struct execution *e;
	int r;

	if (!(atomic_load(&inode->flags) & INODE_AUTO)) {
		*ret = inode->handle;
		return 0;
	}
	e = node_exec(fs, inode);
	r = exec_dir(e, ret);
	exec_unref(fs->execs, e);
	return r;
}

/* Open an orphan again through the descriptor that keeps it. */
static int reopen(int fd, int flags)
{
	struct procfd path = procfd(fd);
	int r;

	if (flags & O_PATH)
		r = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	else
		r = open(path.name, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/*
 * A directory of batonfs's making may vanish, and come back as another one, after its handle was read: then the
 * handle is asked for again.
 */
static bool has_changed(struct fs *fs, struct inode *inode, const struct handle *h)
{
	struct handle now;

	if (!(atomic_load(&inode->flags) & INODE_AUTO))
		return false;
	return node_handle(fs, inode, &now) < 0 || !handle_equal(&now, h);
}

int node_open(struct fs *fs, struct inode *inode, int flags)
{
	struct handle h;
	int r;

	if (atomic_load(&inode->flags) & INODE_ORPHAN) {
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->fd >= 0)
			return reopen(inode->fd, flags);
	}
	do {
		r = node_handle(fs, inode, &h);
		if (r == 0)
			r = store_open_handle(fs->store, &h, flags);
	} while (r == -ESTALE && has_changed(fs, inode, &h));
	return r;
}

int node_open_locked(struct fs *fs, struct inode *inode, int flags)
{
	if (inode->fd >= 0)
		return reopen(inode->fd, flags);
	return store_open_handle(fs->store, &inode->handle, flags);
}

int node_get(struct fs *fs, struct inode *inode, struct dirref *ret)
{
	struct handle h;
	int r;

	if (S_ISDIR(inode->mode) && !(atomic_load(&inode->flags) & INODE_ORPHAN)) {
		do {
			r = node_handle(fs, inode, &h);
			if (r == 0)
				r = dircache_get(fs->dirs, itable_nodeid(fs->itable, inode), &h,
						 ret);
		} while (r == -ESTALE && has_changed(fs, inode, &h));
		return r;
	}
	r = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	if (r < 0)
		return r;
	*ret = (struct dirref){ .fd = r, .slot = -1 };
	return 0;
}

void node_put(struct fs *fs, struct dirref *ref)
{
	dircache_put(fs->dirs, ref);
}

/* ---- attributes ---- */

static void show_virtual(struct fs *fs, struct inode *inode, struct stat *st)
{
	*st = (struct stat){
		.st_ino = inode->ino,
		/* private: anybody may make it his, and nobody else has a use for the name then */
		.st_mode = S_IFDIR |
			   (private_is_on(fs) ? 0777 : exec_table_config(fs->execs)->dir_mode),
		.st_nlink = 2,
		.st_uid = fs->config.uid == (uid_t)-1 ? 0 : fs->config.uid,
		.st_gid = fs->config.gid == (gid_t)-1 ? 0 : fs->config.gid,
		.st_blksize = 4096,
		.st_atim.tv_sec = fs->start_real_ns / NS_PER_S,
		.st_mtim.tv_sec = fs->start_real_ns / NS_PER_S,
		.st_ctim.tv_sec = fs->start_real_ns / NS_PER_S,
	};
}

void node_show(struct inode *inode, struct stat *st)
{
	bool setid = S_ISREG(st->st_mode) &&
		     (st->st_mode & S_ISUID ||
		      (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP));

	st->st_ino = inode->ino;
	if (setid)
		atomic_fetch_or(&inode->flags, INODE_SETID);
	else if (atomic_load(&inode->flags) & INODE_SETID)
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_SETID);
	if (S_ISREG(st->st_mode) && st->st_nlink > 1 &&
	    !(atomic_load(&inode->flags) & INODE_LINKED))
		atomic_fetch_or(&inode->flags, INODE_LINKED);
}

int node_stat(struct fs *fs, struct inode *inode, struct stat *ret)
{
	struct dirref ref;
	int r = node_get(fs, inode, &ref);

	if (r == -ENOENT && atomic_load(&inode->flags) & INODE_AUTO) {
		show_virtual(fs, inode, ret);
		return 0;
	}
	if (r < 0)
		return r;
	r = content_stat(fs, inode, ref.fd, ret);
	node_put(fs, &ref);
	if (r == 0)
		node_show(inode, ret);
	return r;
}

double node_attr_seconds(struct fs *fs, struct inode *inode, const struct stat *st, bool ask)
{
	double seconds =
		S_ISREG(st->st_mode) && st->st_nlink > 1 ? CACHE_LINKED_SECONDS : CACHE_SECONDS;

	if (atomic_load(&inode->flags) & INODE_SPLIT) /* changed through another inode */
		return 0;
	if (!(atomic_load(&inode->flags) & INODE_DIRTY_MAP))
		return seconds;
	if (!ask)
		return 0;
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	if (inode->nopen > 0 ||
	    (drafting_is(inode) ? drafting_in_use(fs, inode)
				: lease_in_use(fs->store->fd, &inode->handle)) != 0)
		return 0;
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_DIRTY_MAP);
	return seconds;
}

/* ---- what the ledger hears ---- */

void node_charge_locked(struct inode *inode, uint64_t size_bytes)
{
	int64_t more = (int64_t)(size_bytes - inode->size_accounted);

	if (!node_is_nameless(inode))
		exec_account(inode->exec, 0, more);
	else if (inode->nopen > 0)
		exec_account_nameless(inode->exec, more);
	inode->size_accounted = size_bytes;
}

void node_named_locked(struct inode *inode)
{
	if (!S_ISREG(inode->mode) || !node_is_nameless(inode))
		return;
	exec_account_nameless(inode->exec, -node_nameless_bytes_locked(inode));
	exec_account(inode->exec, 0, (int64_t)inode->size_accounted);
}

void node_account_size(struct fs *fs, struct inode *inode, uint64_t size_bytes)
{
	uint64_t before;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		before = inode->size_accounted;
		if (before == size_bytes)
			return;
		node_charge_locked(inode, size_bytes);
		if (atomic_load(&inode->flags) & INODE_ORPHAN)
			return;
	}
	if (size_bytes > before)
		reaper_grown(fs->reaper, size_bytes - before);
	ledger_file_size(fs->ledger, inode->ino, size_bytes);
}

void node_record(struct fs *fs, struct inode *inode, struct execution *e, uint64_t size_bytes,
		 int64_t ttl_ns)
{
	struct ledger_file row = {
		.ino = inode->ino,
		.execution = exec_number(e),
		.size_bytes = size_bytes,
		.ttl_ns = ttl_ns,
		.own_lifetime = inode->place == PLACE_OTHER || ttl_ns != LEDGER_TTL_DEFAULT,
		.activity_ns = ledger_now_ns(fs->ledger),
		.handle_len = inode->handle.len,
		.handle_type = inode->handle.type,
	};

	memcpy(row.handle, inode->handle.bytes, inode->handle.len);
	if (row.own_lifetime)
		atomic_fetch_or(&inode->flags, INODE_TIMED);
	else
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_TIMED);
	ledger_file_put(fs->ledger, &row);
}

int64_t node_own_ttl(struct fs *fs, int fd)
{
	int64_t ttl;

	/* Most mounts never have such a file: then nobody pays for looking. */
	if (!atomic_load_explicit(&fs->own_ttls, memory_order_relaxed))
		return LEDGER_TTL_DEFAULT;
	return mark_get(fd, MARK_TTL, &ttl) == 0 ? ttl : LEDGER_TTL_DEFAULT;
}

void node_touch(struct fs *fs, struct inode *inode)
{
	int64_t now = ledger_now_ns(fs->ledger);
	uint32_t second = (uint32_t)(now / NS_PER_S);

	if (!(atomic_load(&inode->flags) & INODE_TIMED))
		return;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->touched_s == second)
			return;
		inode->touched_s = second;
	}
	ledger_file_activity(fs->ledger, inode->ino, now);
}

/* ---- the end ---- */

bool node_orphan(struct fs *fs, struct inode *inode, int *fd, const struct stat *st)
{
	bool is_new;
	int drop = 0;

	{
		_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);

		if (*fd >= 0 && st)
			content_pin_locked(fs, inode, *fd, st); /* before the ledger's row goes */
		/* Without it, its handle will do as long as somebody has it open; a pin (content.h) is found by it. */
		if (inode->fd < 0 &&
		    (fs_may_keep(fs, *fd) || atomic_load(&inode->flags) & INODE_PINNED)) {
			request_gives(*fd);
			keep_fd(*fd);
			inode->fd = TAKE_FD(*fd);
		}
		is_new = !(atomic_load(&inode->flags) & INODE_ORPHAN);
		if (is_new) {
			itable_orphan(fs->itable, inode);
			if (S_ISREG(inode->mode))
				exec_account_nameless(inode->exec,
						      node_nameless_bytes_locked(inode));
		}
		if (inode->nopen == 0) /* a registered file would keep its space */
			drop = inode_take_backing(inode);
	}
	backing_unregister(fs->backing, drop);
	if (S_ISDIR(inode->mode))
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
	return is_new;
}

void node_evict(void *ctx, struct inode *inode)
{
	struct fs *fs = ctx;

	backing_unregister(fs->backing, inode_take_backing(inode));
	content_evict(fs, inode);
	(void)safe_close(inode_take_fd(inode));
	if (S_ISDIR(inode->mode))
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
	exec_unref(fs->execs, inode->exec);
}
