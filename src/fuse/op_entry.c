/* SPDX-License-Identifier: MIT */
/*
 * Names of what is there: looked up, forgotten, one more.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "baton/interface.h"
#include "exec/recover.h"
#include "fuse/caller.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/home.h"
#include "fuse/node_exec.h"
#include "fuse/private.h"
#include "fuse/refresh.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/split.h"
#include "fuse/target.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* An answer of -EINTR leaves the kernel what it knows of the name. */
static int check_refresher(struct fs *fs, fuse_req_t req, const struct fuse_entry_param *e)
{
	const struct inode *inode = node_find(fs, e->ino);

	if (!inode || !refresh_must_not_know(fs, fuse_req_ctx(req)->pid, inode))
		return 0;
	itable_take_back(fs->itable, e->ino);
	return -EINTR;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = { 0 };
	struct dirref ref = { .fd = -1, .slot = -1 };
	struct inode *dir;
	int r;

	fs_count(fs, FS_OP_lookup);
	if (is_control(parent) || (parent == FUSE_ROOT_ID && strcmp(name, BATON_DIR) == 0)) {
		opc_lookup(req, parent, name);
		return;
	}
	dir = node_find(fs, parent);
	r = dir ? node_get(fs, dir, &ref) : -ESTALE;
	if (dir && r == -ESTALE) /* released and deleted, but somebody's working directory */
		r = -ENOENT;
	if (r == -ENOENT) /* a virtual directory is empty */
		r = 0;
	if (r == 0 && private_is_on(fs) && private_check_dir(fs, req, dir) < 0)
		r = -ENOMEM; /* the name stays its owner's: see fuse/private.h */
	if (r == 0)
		r = entry_lookup(fs, dir, ref.fd, name, &e);
	node_put(fs, &ref);
	if (r == 0 && private_is_on(fs) && parent == FUSE_ROOT_ID)
		r = private_check_entry(fs, req, &e);
	if (r == 0)
		r = check_refresher(fs, req, &e);
	if (r == -ENOENT) { /* the kernel remembers that, too: nobody makes names but through it */
		known_ids_asked(dir);
		e = (struct fuse_entry_param){ .entry_timeout = CACHE_SECONDS };
		r = 0;
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, fs, &e);
}

static void forget_one(struct fs *fs, fuse_ino_t nodeid, uint64_t nlookup)
{
	fs_count(fs, FS_OP_forget);
	if (is_control(nodeid)) {
		request_forgets();
		control_forget(fs->control, nodeid, nlookup);
		return;
	}
	itable_forget(fs->itable, nodeid, nlookup);
}

void op_forget(fuse_req_t req, fuse_ino_t nodeid, uint64_t nlookup)
{
	forget_one(fs_of(req), nodeid, nlookup);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget_one(fs_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/*
 * A link in another execution hands the file over: from now on it is that one's to account for. Its other
 * names stay valid; whoever releases one of them does not touch the others.
 */
static void adopt(struct fs *fs, struct target *t, fuse_req_t req, const char *name,
		  struct inode *inode, const struct stat *st, int64_t ttl_ns)
{
	struct ledger_owner by = { 0 };
	struct execution *old = node_exec(fs, inode);

	if (atomic_load(&t->exec->state) == EXEC_VIRTUAL)
		caller_as_maker(fs, req, &by);
	if (t->dir->place == PLACE_ROOT && t->exec->lifetime == LIFETIME_TTL)
		(void)!exec_flat_add(fs->execs, t->exec, name,
				     &by); /* -ENOMEM: not released with it */
	else if (t->own_exec)
		exec_activate(fs->execs, t->exec, &by);
	if (S_ISREG(inode->mode) && (old != t->exec || st->st_nlink == 1)) {
		if (st->st_nlink == 1) /* a file from O_TMPFILE: its first name */
			exec_account(old, 1, 0);
		node_set_exec(fs, inode, exec_ref(t->exec), t->place);
		node_record(fs, inode, t->exec, (uint64_t)st->st_size, ttl_ns);
		drafting_record(fs, inode);
	}
	exec_unref(fs->execs, old);
}

/* By the last process, which did not answer. */
static bool was_linked(const struct inode *inode, int dirfd, const char *name)
{
	struct stat st;

	return request_again(CHANGE_LINK) && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == inode->ino;
}

/*
 * A stub with several names would lose its blob when the execution is released that accounts for it, and keep a
 * name: so it is its own first. -ESTALE: the kernel looks the old name up again.
 */
static int link_own(struct fs *fs, struct inode *inode, int fd, int dirfd, const char *name)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	int r = S_ISREG(inode->mode) ? content_learn_locked(fs, inode, fd) : 0;

	if (r == 0)
		r = home_own_locked(fs, inode, lock, true);
	if (r != 0)
		return r == 1 ? -ESTALE : r;
	request_changing(
		&(struct request_change){ .kind = CHANGE_LINK, .ino = inode->ino, .fd = -1 });
	r = linkat(fd, "", dirfd, name, AT_EMPTY_PATH) < 0 ? -errno : 0;
	FAULT_HANG("linked");
	if (r == 0)
		return 0;
	if (r == -EEXIST && was_linked(inode, dirfd, name))
		return 0;
	request_changed(r, -1);
	return r;
}

/* The execution that the new name is in will account for the file, unless it does so already. */
static int take_link(struct fs *fs, struct inode *inode, struct target *t, const char *name,
		     struct growth_take *ret)
{
	struct execution *old = node_exec(fs, inode);
	bool nameless = node_is_nameless(inode);
	struct stat st;
	int r = 0;

	if (!was_linked(inode, t->ref.fd, name) && S_ISREG(inode->mode) &&
	    (nameless || old != t->exec)) {
		r = node_stat(fs, inode, &st);
		if (r == 0) /* its bytes are counted already if it is this one's without a name */
			r = growth_take(fs, t->exec, 1, old == t->exec ? 0 : (uint64_t)st.st_size,
					ret);
	}
	exec_unref(fs->execs, old);
	return r;
}

static int link_inode(struct fs *fs, struct inode *inode, struct target *t, const char *name,
		      struct fuse_entry_param *e, int64_t *ret_ttl_ns)
{
	_cleanup_close_ int fd = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	int orphan = -1;
	int r;

	if (fd < 0)
		return fd;
	r = link_own(fs, inode, fd, t->ref.fd, name);
	if (r < 0)
		return r;
	r = content_stat(fs, inode, fd, &e->attr);
	if (r < 0) {
		target_unmade(fs, t, name, false);
		return r;
	}
	*ret_ttl_ns = node_own_ttl(fs, fd);
	{ /* the first name of a nameless file */
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		bool nameless = atomic_load(&inode->flags) & INODE_ORPHAN;

		node_named_locked(inode);
		itable_adopt(fs->itable, inode);
		if (nameless)
			orphan = inode_take_fd(inode);
	}
	(void)safe_close(orphan);
	return 0;
}

void op_link(fuse_req_t req, fuse_ino_t nodeid, fuse_ino_t newparent, const char *newname)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = { 0 };
	struct inode *inode = node_find(fs, nodeid);
	struct growth_take take = { 0 };
	struct target t;
	int64_t ttl_ns = LEDGER_TTL_DEFAULT;
	bool missed = false;
	int r;

	fs_count(fs, FS_OP_link);
	if (is_control(nodeid) || is_control(newparent)) {
		reply_err(req, -EPERM);
		return;
	}
	r = inode ? target_enter(fs, req, newparent, newname, TARGET_MAKE, &t) : -ESTALE;
	if (r == 0) {
		r = take_link(fs, inode, &t, newname, &take);
		recover_name_begin(fs->execs);
		if (r == 0)
			r = link_inode(fs, inode, &t, newname, &e, &ttl_ns);
		if (r == 0) {
			adopt(fs, &t, req, newname, inode, &e.attr, ttl_ns);
			node_show(inode, &e.attr);
			e.ino = nodeid;
			e.entry_timeout = private_name_seconds(fs, t.dir, t.place);
			e.attr_timeout = node_attr_seconds(fs, inode, &e.attr, false);
			itable_again(fs->itable, inode); /* the entry counts as a lookup */
		}
		missed = recover_is_walking(fs->execs) &&
			 (r < 0 || !target_report(fs, &t, newname, &e.attr, &inode->handle));
		recover_name_end(fs->execs, missed);
		growth_taken(&take); /* counted where it belongs by now */
		target_leave(fs, &t);
	}
	if (r == -ESTALE && inode)
		split_tell(fs, inode);
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, fs, &e);
}
