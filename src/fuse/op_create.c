/* SPDX-License-Identifier: MIT */
/*
 * What is made anew: files that are open at once, with a name (CREATE) or without (TMPFILE); files, directories,
 * symbolic links and the like that are not (MKNOD, MKDIR, SYMLINK). A further name of what is there is
 * op_entry.c's.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/growth.h"
#include "fuse/notify.h"
#include "fuse/opens.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/target.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* ---- open at once ---- */

static void reply_create(fuse_req_t req, struct fs *fs, struct inode *inode,
			 const struct fuse_entry_param *e, struct fuse_file_info *fi)
{
	lock_assert_none();
	if (fuse_reply_create(req, e, fi) <
	    0) { /* interrupted: the kernel knows neither open nor entry */
		opens_undo(fs, inode, fi);
		itable_take_back(fs->itable, e->ino);
	}
}

/* If it is there, although the kernel thought it was not: -ESTALE makes it look the name up again, and open that. */
static int create_file(struct fs *fs, fuse_req_t req, struct target *t, const char *name,
		       mode_t mode, int flags)
{
	int how = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (flags & O_ACCMODE);
	int fd;
	int r = fs_assume(fs, req, false);

	if (r < 0)
		return r;
	if (request_again(CHANGE_MAKE)) { /* the directory was locked since: it is ours */
		fd = openat(t->ref.fd, name, how);
		if (fd >= 0)
			return fd;
	}
	request_changing(&(struct request_change){ .kind = CHANGE_MAKE, .fd = -1 });
	fd = openat(t->ref.fd, name, how | O_CREAT | O_EXCL, mode);
	FAULT_HANG("created");
	r = fd < 0 ? -errno : fd;
	if (r < 0)
		request_changed(r, -1);
	return r == -EEXIST && !(flags & O_EXCL) ? -ESTALE : r;
}

static int enter_created(struct fs *fs, fuse_req_t req, struct target *t, const char *name, int fd,
			 struct inode **ret_inode, struct fuse_entry_param *e)
{
	int r = target_entry(fs, t, name, fd, ret_inode, e);

	if (r < 0) {
		target_unmade(fs, t, name, false);
		return r;
	}
	target_created(fs, t, req, name, *ret_inode, &e->attr);
	return 0;
}

/* The file is there, and cannot be opened; the kernel takes it for missing. */
static void give_up_created(struct fs *fs, struct target *t, const char *name,
			    const struct fuse_entry_param *e)
{
	itable_take_back(fs->itable, e->ino);
	notify_gone(fs->notify, itable_nodeid(fs->itable, t->dir), name, 0);
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
		r = growth_create(fs, &t, name);
		fd = r < 0 ? r : create_file(fs, req, &t, name, mode, fi->flags);
		r = fd < 0 ? fd : enter_created(fs, req, &t, name, fd, &inode, &e);
		if (r == 0) {
			r = opens_begin(req, inode, fd, fi);
			if (r < 0)
				give_up_created(fs, &t, name, &e);
		}
		growth_not_created(&t);
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
	_cleanup_close_ int keep = -1;
	int r = target_entry(fs, t, "", fd, ret_inode, e);

	if (r < 0)
		return r;
	keep = open(path.name, O_PATH | O_CLOEXEC);
	if (keep < 0) {
		r = -errno;
		itable_take_back(fs->itable, e->ino);
		return r;
	}
	node_orphan(fs, *ret_inode, &keep, NULL);
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
		r = growth_open(fs, t.exec);
		if (r == 0)
			r = fs_assume(fs, req, false);
		if (r == 0) {
			fd = openat(t.ref.fd, ".",
				    O_TMPFILE | O_RDWR | O_CLOEXEC | (fi->flags & O_EXCL), mode);
			r = fd < 0 ? -errno : make_nameless(fs, &t, fd, &inode, &e);
		}
		if (r == 0) {
			r = opens_begin(req, inode, fd, fi);
			if (r < 0)
				itable_take_back(fs->itable, e.ino);
		}
		target_leave(fs, &t);
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_create(req, fs, inode, &e, fi);
}

/* ---- not open ---- */

/* What mknod, mkdir and symlink have in common; `make` creates the name. */
struct maker {
	mode_t mode;
	dev_t rdev;
	const char *link;
};

static int make_node(int dirfd, const char *name, const struct maker *m)
{
	return mknodat(dirfd, name, m->mode, m->rdev) < 0 ? -errno : 0;
}

static int make_dir(int dirfd, const char *name, const struct maker *m)
{
	return mkdirat(dirfd, name, m->mode) < 0 ? -errno : 0;
}

static int make_link(int dirfd, const char *name, const struct maker *m)
{
	return symlinkat(m->link, dirfd, name) < 0 ? -errno : 0;
}

/* The directory was locked since it was begun: what is there then is ours. */
static int make_once(int dirfd, const char *name,
		     int (*make)(int dirfd, const char *name, const struct maker *m),
		     const struct maker *m)
{
	int r;

	request_changing(&(struct request_change){ .kind = CHANGE_MAKE, .fd = -1 });
	r = make(dirfd, name, m);
	if (r == -EEXIST && request_again(CHANGE_MAKE))
		return 0;
	if (r < 0)
		request_changed(r, -1);
	return r;
}

static void create_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir,
			int (*make)(int dirfd, const char *name, const struct maker *m),
			const struct maker *m)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = { 0 };
	struct inode *inode;
	struct target t;
	int r;

	if (is_control(parent)) {
		reply_err(req, -EPERM);
		return;
	}
	r = target_enter(fs, req, parent, name, TARGET_MAKE | (is_dir ? TARGET_DIR : 0), &t);
	if (r == 0) {
		r = fs_assume(fs, req, is_dir);
		if (r == 0 && S_ISREG(m->mode))
			r = growth_create(fs, &t, name);
		if (r == 0)
			r = make_once(t.ref.fd, name, make, m);
		if (r == 0) {
			r = target_entry(fs, &t, name, -1, &inode, &e);
			if (r < 0)
				target_unmade(fs, &t, name, is_dir);
		}
		if (r == 0)
			target_created(fs, &t, req, name, inode, &e.attr);
		growth_not_created(&t);
		target_leave(fs, &t);
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, fs, &e);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	fs_count(fs_of(req), FS_OP_mknod);
	create_name(req, parent, name, false, make_node,
		    &(struct maker){ .mode = mode, .rdev = rdev });
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fs_count(fs_of(req), FS_OP_mkdir);
	create_name(req, parent, name, true, make_dir, &(struct maker){ .mode = mode });
}

void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fs_count(fs_of(req), FS_OP_symlink);
	create_name(req, parent, name, false, make_link, &(struct maker){ .link = link });
}
