/* SPDX-License-Identifier: MIT */
/*
 * Attributes.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fuse/caller.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/home.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "fuse/private.h"
#include "fuse/refresh.h"
#include "fuse/reply.h"
#include "fuse/split.h"
#include "store/blob_away.h"
#include "store/procfd.h"
#include "util/cleanup.h"

/* What op_setattr() is asked to set; the other flags are the kernel's talk. */
#define TIMES                                                                                      \
	(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |                     \
	 FUSE_SET_ATTR_MTIME_NOW)
#define SETTABLE                                                                                   \
	(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE | TIMES)

/* Groups that are asked about, at most. Source: far more than processes have; the kernel allows 65536. */
#define CALLER_GROUPS 1024

static void reply_stat(fuse_req_t req, struct fs *fs, struct inode *inode)
{
	struct stat st;
	int r = node_stat(fs, inode, &st);

	if (r == 0 && refresh_must_not_know(fs, fuse_req_ctx(req)->pid, inode))
		r = -EINTR;
	if (r < 0)
		reply_err(req, r);
	else
		reply_attr(req, &st, node_attr_seconds(fs, inode, &st, true));
}

void op_getattr(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;

	(void)fi;
	fs_count(fs, FS_OP_getattr);
	if (is_control(nodeid)) {
		opc_getattr(req, nodeid);
		return;
	}
	inode = node_find(fs, nodeid);
	if (inode)
		reply_stat(req, fs, inode);
	else
		reply_err(req, -ESTALE);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
static struct statx_timestamp statx_time(struct timespec ts)
{
	return (struct statx_timestamp){ .tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec };
}

/* What has no backing file has no time of birth: the rest, then. */
static void statx_from_stat(const struct stat *st, struct statx *ret)
{
	*ret = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st->st_blksize,
		.stx_nlink = (uint32_t)st->st_nlink,
		.stx_uid = st->st_uid,
		.stx_gid = st->st_gid,
		.stx_mode = (uint16_t)st->st_mode,
		.stx_ino = st->st_ino,
		.stx_size = (uint64_t)st->st_size,
		.stx_blocks = (uint64_t)st->st_blocks,
		.stx_atime = statx_time(st->st_atim),
		.stx_mtime = statx_time(st->st_mtim),
		.stx_ctime = statx_time(st->st_ctim),
	};
}

static int statx_inode(struct fs *fs, struct inode *inode, int flags, int mask, struct statx *ret)
{
	struct dirref ref;
	struct stat st;
	int r = node_get(fs, inode, &ref);

	if (r == -ENOENT) { /* virtual */
		r = node_stat(fs, inode, &st);
		if (r == 0)
			statx_from_stat(&st, ret);
		return r;
	}
	if (r < 0)
		return r;
	r = statx(ref.fd, "", AT_EMPTY_PATH | (flags & AT_STATX_SYNC_TYPE), (unsigned int)mask,
		  ret);
	r = r < 0 ? -errno : 0;
	if (r == 0 && S_ISREG(inode->mode))
		r = content_stat(fs, inode, ref.fd, &st);
	if (r == 0 &&
	    S_ISREG(inode->mode)) { /* changed by a move for a moment; a draft has its own */
		ret->stx_size = (uint64_t)st.st_size;
		ret->stx_blocks = (uint64_t)st.st_blocks;
		ret->stx_mtime = statx_time(st.st_mtim);
		ret->stx_ctime = statx_time(st.st_ctim);
	}
	node_put(fs, &ref);
	ret->stx_ino = inode->ino;
	return r;
}

/* Asked for by those who want the time of birth, too. */
void op_statx(fuse_req_t req, fuse_ino_t nodeid, int flags, int mask, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *inode = is_control(nodeid) ? NULL : node_find(fs, nodeid);
	struct statx stx = { 0 };
	struct stat st;
	int r;

	(void)fi;
	fs_count(fs, FS_OP_getattr);
	if (is_control(nodeid)) {
		r = control_getattr(fs->control, fuse_req_ctx(req)->uid, nodeid, &st);
		if (r == 0)
			statx_from_stat(&st, &stx);
	} else {
		r = inode ? statx_inode(fs, inode, flags, mask, &stx) : -ESTALE;
		st = (struct stat){ .st_mode = stx.stx_mode, .st_nlink = stx.stx_nlink };
	}
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	lock_assert_none();
	(void)fuse_reply_statx(req, 0, &stx, inode ? node_attr_seconds(fs, inode, &st, true) : 0);
}
#endif

static int set_times(int fd, const struct stat *attr, int to_set)
{
	struct procfd path = procfd(fd);
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		ts[0].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		ts[0] = attr->st_atim;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		ts[1].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		ts[1] = attr->st_mtim;
	if (utimensat(fd, "", ts, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOENT) /* AT_EMPTY_PATH: Linux 5.8 */
		return -errno;
	return utimensat(AT_FDCWD, path.name, ts, 0) < 0 ? -errno : 0;
}

/* Whether the caller lacks CAP_FSETID. libfuse before 3.18 does not pass on what the kernel says of it. */
static bool loses_setid(fuse_req_t req, const struct fuse_file_info *fi)
{
#ifdef HAVE_FUSE_KILL_SUIDGID
	if (fi)
		return fi->kill_suidgid;
#else
	(void)fi;
#endif
	return fuse_req_ctx(req)->uid != 0;
}

bool attr_in_group(fuse_req_t req, gid_t gid)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	gid_t groups[CALLER_GROUPS];
	int n;

	if (ctx->uid == 0 || ctx->gid == gid)
		return true;
	n = fuse_req_getgroups(req, CALLER_GROUPS, groups); /* of /proc: for rare occasions */
	for (int i = 0; i < MIN_OF(n, CALLER_GROUPS); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static int clear_setid(fuse_req_t req, int fd)
{
	struct procfd path = procfd(fd);
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode = st.st_mode & ~(mode_t)S_ISUID;
	if (mode & S_ISGID && (mode & S_IXGRP || !attr_in_group(req, st.st_gid)))
		mode &= ~(mode_t)S_ISGID;
	if (!S_ISREG(mode) || mode == st.st_mode)
		return 0;
	return chmod(path.name, mode & 07777) < 0 ? -errno : 0;
}

int attr_drop_setid(fuse_req_t req, struct inode *inode, const struct fuse_file_info *fi, int fd)
{
	if (!(atomic_load(&inode->flags) & INODE_SETID) || !loses_setid(req, fi))
		return 0;
	return clear_setid(req, fd);
}

static int set_size(fuse_req_t req, struct fs *fs, struct inode *inode, off_t size)
{
	_cleanup_close_ int fd = -1;
	struct growth g;
	int r = growth_begin(fs, inode, (uint64_t)size, false, &g);

	if (r < 0)
		return r;
	r = node_write_begin(fs, inode, size > 0);
	if (r < 0) {
		growth_end(fs, inode, &g, 0);
		return r;
	}
	fd = node_open(fs, inode, O_WRONLY | O_NONBLOCK);
	if (fd >= 0 && drafting_is(inode))
		r = drafting_cut(fs, inode, (uint64_t)size);
	else
		r = fd < 0 ? fd : ftruncate(fd, size) < 0 ? -errno : 0;
	growth_end(fs, inode, &g, r < 0 ? 0 : (uint64_t)size);
	(void)node_write_end(fs,
			     inode); /* not hashed now: the next close is soon, or somebody asks */
	if (r < 0)
		return r;
	growth_account(fs, inode, (uint64_t)size);
	return attr_drop_setid(req, inode, NULL, fd);
}

/*
 * Mode, owner and times, through an O_PATH descriptor. A request that sets nothing is the kernel's way to say
 * that the set-id bits have to go: before a write, also by passthrough, of somebody who may not keep them,
 * and at a chown(2) that changes neither owner nor group.
 */
static int set_meta(fuse_req_t req, int fd, const struct stat *attr, int to_set)
{
	struct procfd path = procfd(fd);

	if (!(to_set & SETTABLE))
		return clear_setid(req, fd);
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
		gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	if (to_set & FUSE_SET_ATTR_MODE && chmod(path.name, attr->st_mode & 07777) < 0)
		return -errno;
	return to_set & TIMES ? set_times(fd, attr, to_set) : 0;
}

/*
 * Who is given another's file would see that it is shared, and so that somebody has the same: he gets a content of his
 * own; and nobody who has taken it for the old owner's makes it a stub after this.
 */
static int own_for_locked(struct fs *fs, struct inode *inode, struct lock *lock, int fd, uid_t uid)
{
	struct stat st;
	int r;

	if (!S_ISREG(inode->mode) || fs->config.clone == FS_CLONE_ALL ||
	    atomic_load(&inode->flags) & INODE_SPLIT)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid == uid)
		return 0;
	r = content_learn_locked(fs, inode, -1);
	if (r == 0)
		r = home_own_locked(fs, inode, lock, true);
	node_unseal_locked(fs, inode);
	/* 1: readers keep this inode, and it is the same file; the same without a name, but it stays shared. */
	return r == 1 || r == -ETXTBSY ? 0 : r;
}

/* The times of a draft are its content's. */
static int set_draft_times_locked(struct fs *fs, struct inode *inode, const struct stat *attr,
				  int to_set)
{
	_cleanup_close_ int draft = -1;
	int r = drafts_exist(fs->store->blobs) ? content_learn_locked(fs, inode, -1) : 0;

	if (r < 0 || !drafting_is(inode))
		return r == -ESTALE ? 0 : r; /* one that was split off has no other */
	draft = drafting_open(fs, inode, O_RDONLY | O_NOATIME);
	return draft < 0 ? draft : set_times(draft, attr, to_set);
}

/* Times, and the capability that a chown takes away, are set back by a move: not meanwhile. */
static int set_meta_settled(fuse_req_t req, struct fs *fs, struct inode *inode, int fd,
			    const struct stat *attr, int to_set)
{
	_cleanup_(lock_dropp) struct lock *lock = NULL;
	int r = 0;

	if (S_ISREG(inode->mode) && to_set & (TIMES | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		lock = move_lock_still(fs, inode);
	if (lock && to_set & TIMES)
		home_settle_locked(fs, inode);
	if (lock && to_set & FUSE_SET_ATTR_UID)
		r = own_for_locked(fs, inode, lock, fd, attr->st_uid);
	if (r == 0)
		r = set_meta(req, fd, attr, to_set);
	return r == 0 && lock && to_set & TIMES ? set_draft_times_locked(fs, inode, attr, to_set)
						: r;
}

/* What is set on a directory that is not there makes it. */
static int make_real(fuse_req_t req, struct fs *fs, struct inode *inode)
{
	struct ledger_owner by;
	struct execution *e = node_exec(fs, inode);
	struct handle h;
	bool made = false;
	int r = exec_enter(e);

	if (r == 0) {
		r = fs_assume(fs, req, true);
		if (r == 0) {
			caller_as_maker(fs, req, &by);
			r = exec_materialise(fs->execs, e, &by, &h, &made);
		}
		exec_leave(e);
	}
	exec_unref(fs->execs, e);
	if (made)
		fs_root_changed(fs);
	if (made && private_is_on(fs))
		private_made(fs, inode);
	return r;
}

static int get_real(fuse_req_t req, struct fs *fs, struct inode *inode, struct dirref *ret)
{
	for (;;) {
		int r = node_get(fs, inode, ret);

		if (r != -ENOENT || !(atomic_load(&inode->flags) & INODE_AUTO))
			return r;
		r = make_real(req, fs, inode);
		if (r == -ESTALE)
			node_rebind(fs, inode);
		else if (r < 0)
			return r;
	}
}

int attr_get_real(fuse_req_t req, struct fs *fs, struct inode *inode, struct dirref *ret)
{
	int r = get_real(req, fs, inode, ret);

	if (r == 0 && private_is_on(fs)) {
		r = private_check_dir(fs, req, inode);
		if (r < 0)
			node_put(fs, ret);
	}
	return r;
}

void op_setattr(fuse_req_t req, fuse_ino_t nodeid, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;
	struct dirref ref;
	int r = 0;

	(void)fi;
	fs_count(fs, FS_OP_setattr);
	if (is_control(nodeid)) { /* O_TRUNC of a shell's redirection: nothing to do */
		opc_getattr(req, nodeid);
		return;
	}
	inode = node_find(fs, nodeid);
	if (!inode) {
		reply_err(req, -ESTALE);
		return;
	}
	if (to_set & FUSE_SET_ATTR_SIZE)
		r = set_size(req, fs, inode, attr->st_size);
	if (r == 0 && (to_set & SETTABLE) != FUSE_SET_ATTR_SIZE) {
		r = attr_get_real(req, fs, inode, &ref);
		if (r == 0) {
			r = set_meta_settled(req, fs, inode, ref.fd, attr, to_set);
			node_put(fs, &ref);
		}
	}
	split_tell_twin(fs, inode);
	if (r == -ESTALE)
		split_tell(fs, inode);
	if (r < 0)
		reply_err(req, r);
	else
		reply_stat(req, fs, inode);
}

void op_readlink(fuse_req_t req, fuse_ino_t nodeid)
{
	struct fs *fs = fs_of(req);
	struct inode *inode = is_control(nodeid) ? NULL : node_find(fs, nodeid);
	_cleanup_close_ int fd = -1;
	char target[PATH_MAX + 1];
	ssize_t n;

	fs_count(fs, FS_OP_readlink);
	fd = inode ? node_open(fs, inode, O_PATH | O_NOFOLLOW) : -ESTALE;
	if (fd < 0) {
		reply_err(req, fd);
		return;
	}
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0) {
		reply_err(req, -errno);
		return;
	}
	target[n] = '\0';
	lock_assert_none();
	(void)fuse_reply_readlink(req, target);
}

/* What is on the disk that is spilled to, and still may be, is part of the store: who asks whether a file fits is told so. */
static void add_away(struct fs *fs, struct statvfs *sv)
{
	struct blob_away_counts away;

	if (!blobs_have_away(fs->store->blobs))
		return;
	blob_count_away(fs->store->blobs, &away);
	sv->f_blocks += (away.bytes + away.free_bytes) / sv->f_frsize;
	sv->f_bfree += away.free_bytes / sv->f_frsize;
	sv->f_bavail += away.free_bytes / sv->f_frsize;
}

void op_statfs(fuse_req_t req, fuse_ino_t nodeid)
{
	struct fs *fs = fs_of(req);
	struct statvfs sv;

	(void)nodeid;
	fs_count(fs, FS_OP_statfs);
	if (fstatvfs(fs->store->fd, &sv) < 0) {
		reply_err(req, -errno);
		return;
	}
	add_away(fs, &sv);
	lock_assert_none();
	(void)fuse_reply_statfs(req, &sv);
}
