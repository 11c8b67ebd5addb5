/* SPDX-License-Identifier: MIT */
/*
 * Inodes: from the table's entry to the backing file and the execution.
 *
 * Lifetimes: an operation's inode stays because the kernel holds a lookup on it; its execution stays because
 * node_exec() takes a reference under the inode's lock, where node_set_exec() exchanges it.
 */
#include "fuse/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exec/limit.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/private.h"
#include "fuse/request.h"
#include "store/lease.h"
#include "store/mark.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* ---- the execution ---- */

/* What the kernel puts behind the path of what has gone may be the end of a name, too. */
static bool is_deleted(struct fs *fs, int fd, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(path);
	struct stat a;
	struct stat b;

	if (n < sizeof(deleted) || strcmp(path + n - (sizeof(deleted) - 1), deleted) != 0)
		return false;
	if (fstatat(fs->store->tree_fd, path, &a, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &b) < 0)
		return true;
	return a.st_ino != b.st_ino;
}

int node_path(struct fs *fs, int fd, char *buf, size_t len)
{
	char root[PATH_MAX];
	char path[PATH_MAX];
	struct procfd link = procfd(fs->store->tree_fd);
	ssize_t nroot = readlink(link.name, root, sizeof(root) - 1);
	ssize_t n;

	link = procfd(fd);
	n = readlink(link.name, path, sizeof(path) - 1);
	if (nroot < 0 || n < 0)
		return -errno;
	path[n] = '\0';
	if (n <= nroot + 1 || memcmp(path, root, (size_t)nroot) != 0 || path[nroot] != '/')
		return -ENOENT; /* in the trash, or the tree itself */
	if (is_deleted(fs, fd, path + nroot + 1))
		return -ENOENT;
	if ((size_t)(n - nroot) > len)
		return -ENAMETOOLONG;
	memcpy(buf, path + nroot + 1, (size_t)(n - nroot));
	return 0;
}

/* Opens and bytes move along. Returns the old one, whose reference is the caller's. */
static struct execution *exchange_exec_locked(struct inode *inode, struct execution *e,
					      enum place place)
{
	struct execution *old = inode->exec;

	if (old != e) {
		atomic_fetch_add(&e->open, inode->nopen);
		atomic_fetch_sub(&old->open, inode->nopen);
	}
	if (exec_is_none(old)) { /* it is in no sum, and in that of e already, or will be */
	} else if (old != e && S_ISREG(inode->mode) && atomic_load(&inode->flags) & INODE_ORPHAN) {
		exec_account_nameless(e, node_nameless_bytes_locked(inode));
		exec_account_nameless(old, -node_nameless_bytes_locked(inode));
	} else if (old != e && S_ISREG(inode->mode)) {
		exec_account(e, 1, (int64_t)inode->size_accounted);
		exec_account(old, -1, -(int64_t)inode->size_accounted);
	}
	inode->exec = e;
	inode->place = (uint8_t)place;
	return old;
}

/* A directory above it changed its execution since it was looked up: ask the kernel where it is now. */
static void refresh_exec(struct fs *fs, struct inode *inode, uint32_t epoch)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct execution *e = NULL;
	struct execution *old = NULL;
	uint64_t number = 0;
	struct rule_match m;

	fd = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	if (fd >= 0 && node_path(fs, fd, path, sizeof(path)) == 0) {
		rule_match_path(path, S_ISDIR(inode->mode), &m);
		e = exec_get(fs->execs, m.id, m.lifetime);
		number = e ? exec_number(e) : 0;
	}
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->exec_epoch != epoch) {
			inode->exec_epoch = epoch;
			if (e && e != inode->exec)
				old = exchange_exec_locked(inode, TAKE_PTR(e), m.place);
		}
	}
	if (old && number && S_ISREG(inode->mode))
		ledger_file_move(fs->ledger, inode->ino, number);
	exec_unref(fs->execs, old);
	exec_unref(fs->execs, e);
}

struct execution *node_exec(struct fs *fs, struct inode *inode)
{
	uint32_t epoch = atomic_load(&fs->exec_epoch);
	struct execution *e = NULL;
	bool stale;

	if (itable_nodeid(fs->itable, inode) == FUSE_ROOT_ID)
		return NULL;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		stale = inode->exec_epoch != epoch && !(atomic_load(&inode->flags) & INODE_AUTO);
		if (!stale)
			e = exec_ref(inode->exec);
	}
	if (!stale)
		return e;
	refresh_exec(fs, inode, epoch);
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return exec_ref(inode->exec);
}

void node_set_exec(struct fs *fs, struct inode *inode, struct execution *e, enum place place)
{
	struct execution *old;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		old = exchange_exec_locked(inode, e, place);
		inode->exec_epoch = atomic_load(&fs->exec_epoch);
	}
	exec_unref(fs->execs, old);
}

bool node_is_over(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return inode->exec && atomic_load(&inode->exec->state) == EXEC_RELEASED;
}

bool node_inherit(struct fs *fs, struct inode *inode, struct execution *e, enum place place)
{
	struct execution *old = NULL;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (atomic_load(&inode->exec->state) == EXEC_RELEASED)
			old = exchange_exec_locked(inode, exec_ref(e), place);
	}
	exec_unref(fs->execs, old);
	return old != NULL;
}

void node_rebind(struct fs *fs, struct inode *inode)
{
	struct execution *old = node_exec(fs, inode);
	struct execution *e = exec_get(fs->execs, old->id, LIFETIME_TTL);

	if (e)
		node_set_exec(fs, inode, e, PLACE_TREE);
	dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
	exec_unref(fs->execs, old);
}

/* The kernel's inode for a directory of batonfs's making, with a reference. */
static struct inode *peek_auto(struct fs *fs, const char *id)
{
	struct handle any = { 0 }; /* does not count for INODE_AUTO */

	return itable_peek(fs->itable, exec_auto_ino(id), &any);
}

void node_vanish(struct fs *fs, struct execution *e)
{
	struct inode *inode;

	if (!exec_vanish(fs->execs, e))
		return;
	inode = peek_auto(fs, e->id);
	if (inode) {
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
		known_ids_vanished(fs, inode);
		itable_unref(fs->itable, inode);
	}
	fs_root_changed(fs);
}

void node_detach(struct fs *fs, const char *id)
{
	struct inode *inode = peek_auto(fs, id);

	if (!inode)
		return;
	itable_orphan(fs->itable, inode);
	itable_unref(fs->itable, inode);
}

uint64_t node_released_dir(struct fs *fs, struct execution *e)
{
	struct inode *inode;
	struct handle h;
	uint64_t nodeid;
	uint64_t ino;

	exec_dir_had(e, &h, &ino);
	inode = itable_peek(fs->itable, ino, &h);
	if (!inode)
		return 0;
	nodeid = itable_nodeid(fs->itable, inode);
	itable_unref(fs->itable, inode);
	return nodeid;
}

bool node_is_exec_dir(struct inode *inode, struct execution *e)
{
	struct handle dir;

	if (atomic_load(&inode->flags) & INODE_AUTO)
		return true;
	return S_ISDIR(inode->mode) && exec_dir(e, &dir) == 0 && handle_equal(&dir, &inode->handle);
}

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

double node_attr_seconds(struct fs *fs, struct inode *inode, bool ask)
{
	if (atomic_load(&inode->flags) & INODE_SPLIT) /* changed through another inode */
		return 0;
	if (!(atomic_load(&inode->flags) & INODE_DIRTY_MAP))
		return CACHE_SECONDS;
	if (!ask)
		return 0;
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	if (inode->nopen > 0 ||
	    (drafting_is(inode) ? drafting_in_use(fs, inode)
				: lease_in_use(fs->store->fd, &inode->handle)) != 0)
		return 0;
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_DIRTY_MAP);
	return CACHE_SECONDS;
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
		.activity_real_ns = clock_real_ns(),
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
	int64_t now = clock_real_ns();
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

void node_orphan(struct fs *fs, struct inode *inode, int fd, const struct stat *st)
{
	int drop = 0;

	{
		_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);

		if (fd >= 0 && st)
			content_pin_locked(fs, inode, fd, st); /* before the ledger's row goes */
		if (!(atomic_load(&inode->flags) & INODE_ORPHAN)) {
			itable_orphan(fs->itable, inode);
			if (S_ISREG(inode->mode))
				exec_account_nameless(inode->exec,
						      node_nameless_bytes_locked(inode));
		}
		/* Without it, its handle will do as long as somebody has it open; a pin (content.h) is found by it. */
		if (inode->fd < 0 &&
		    (fs_may_keep(fs, fd) || atomic_load(&inode->flags) & INODE_PINNED)) {
			request_gives(fd);
			keep_fd(fd);
			inode->fd = TAKE_FD(fd);
		}
		if (inode->nopen == 0) { /* a registered file would keep its space */
			drop = inode->backing_id;
			inode->backing_id = 0;
		}
	}
	request_gives(fd);
	keep_fd_drop(fd);
	(void)safe_close(fd);
	backing_unregister(fs->backing, drop);
	if (S_ISDIR(inode->mode))
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
}

void node_evict(void *ctx, struct inode *inode)
{
	struct fs *fs = ctx;

	backing_unregister(fs->backing, inode->backing_id);
	content_evict(fs, inode);
	keep_fd_drop(inode->fd);
	(void)safe_close(inode->fd);
	if (S_ISDIR(inode->mode))
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
	exec_unref(fs->execs, inode->exec);
}

/* ---- the caller ---- */

/* "Name:" and "Tgid:" of /proc/PID/status. */
static int read_status(pid_t pid, char comm[LEDGER_COMM_MAX], int *ret_tgid)
{
	char path[48];
	char line[128];
	_cleanup_fclose_ FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Tgid: %d", ret_tgid) == 1)
			return 0;
		if (sscanf(line, "Name:\t%15[^\n]", comm) == 1)
			continue;
	}
	return -ENODATA;
}

void node_caller(fuse_req_t req, struct ledger_owner *ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int tgid;

	*ret = (struct ledger_owner){ .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
	if (ctx->pid <= 0 || read_status(ctx->pid, ret->comm, &tgid) < 0 || tgid == ctx->pid)
		return;
	ret->pid = tgid;
	(void)read_status(tgid, ret->comm, &tgid);
}

void node_maker(struct fs *fs, fuse_req_t req, struct ledger_owner *ret)
{
	node_caller(req, ret);
	if (fs->config.uid != (uid_t)-1)
		ret->uid = fs->config.uid;
	if (fs->config.gid != (gid_t)-1)
		ret->gid = fs->config.gid;
}
