/* SPDX-License-Identifier: MIT */
/*
 * Files that have names: opened, and any open of any file closed.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>

#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/node_exec.h"
#include "fuse/opens.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/split.h"
#include "util/cleanup.h"
#include "util/log.h"

static bool has_opens(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return inode->nopen > 0;
}

/* O_TRUNC comes with the open (FUSE_CAP_ATOMIC_O_TRUNC). */
static int truncate_inode(struct fs *fs, fuse_req_t req, struct inode *inode,
			  const struct fuse_file_info *fi)
{
	_cleanup_close_ int fd = -1;
	int r = node_write_begin(fs, inode, false);

	if (r < 0)
		return r;
	fd = node_open(fs, inode, O_WRONLY | O_NONBLOCK | (drafting_is(inode) ? 0 : O_TRUNC));
	r = fd >= 0 && drafting_is(inode) ? drafting_cut(fs, inode, 0) : MIN_OF(fd, 0);
	(void)node_write_end(fs, inode); /* the open itself comes next */
	if (r < 0)
		return r;
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
	if (r == 0 && opens_writes(fi))
		r = growth_open(fs, e);
	if (r == 0)
		r = opens_begin(req, inode, -1, fi);
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
	if (r == -ESTALE && inode) {
		if (opens_writes(fi))
			split_make_way(fs, inode);
		split_tell(fs, inode);
	}
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	node_touch(fs, inode);
	lock_assert_none();
	if (fuse_reply_open(req, fi) < 0)
		opens_undo(fs, inode, fi);
}

void op_undo_open(struct fs *fs, uint64_t nodeid, uint64_t fh, bool writes)
{
	struct inode *inode = itable_find(fs->itable, nodeid);
	struct fuse_file_info fi = { .flags = writes ? O_WRONLY : O_RDONLY, .fh = fh };

	if (inode)
		(void)opens_end(fs, inode, &fi);
}

/* The last process may have carried it out, but for its end. */
static bool close_again(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	const struct request_change *before = request_again(CHANGE_CLOSE);

	if (before) {
		if (!before->done)
			opens_close_fh(fi);
		return opens_writes(fi);
	}
	if (opens_writes(fi) && drafting_is(inode) && drafting_tell(fs, inode) < 0)
		log_debug("op=release ino=%llu: the size of its content is not told, later",
			  (unsigned long long)inode->ino);
	return opens_end(fs, inode, fi);
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
		if (opens_writes(fi) &&
		    (fi->fh && !drafting_is(inode) ? fstat(fh_own(fi), &st) == 0
						   : node_stat(fs, inode, &st) == 0) &&
		    !(atomic_load(&inode->flags) & INODE_ORPHAN))
			growth_closed(fs, inode, (uint64_t)st.st_size);
		node_touch(fs, inode);
		if (close_again(fs, inode, fi) && !(atomic_load(&inode->flags) & INODE_ORPHAN))
			seal_closed(fs->seal, inode->ino, &inode->handle, (uint64_t)st.st_size);
		seal_idle(fs->seal, inode->ino, &inode->handle);
	}
	reply_err(req, inode ? 0 : -ESTALE);
}
