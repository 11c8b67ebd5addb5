/* SPDX-License-Identifier: MIT */
/*
 * Contents. Files open in passthrough are read, written and mapped by the kernel alone; what still comes
 * here for them (fsync, fallocate, seeking for holes, copying) works on a descriptor opened for the one
 * request.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuse/clone.h"
#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/home.h"
#include "fuse/node.h"
#include "fuse/opens.h"
#include "fuse/reply.h"
#include "fuse/split.h"
#include "util/cleanup.h"

/* A descriptor for one request: the open's own, or a new one. */
struct data_fd {
	int fd;
	bool owned;
};

static void data_fd_done(struct data_fd *d)
{
	if (d->owned)
		(void)safe_close(d->fd);
}

/* Of the file itself, whatever its content is. */
static int data_open_file(fuse_req_t req, fuse_ino_t nodeid, const struct fuse_file_info *fi,
			  int flags, struct data_fd *ret)
{
	struct fs *fs = fs_of(req);
	struct inode *inode = is_control(nodeid) ? NULL : node_find(fs, nodeid);

	if (!inode)
		return is_control(nodeid) ? -EINVAL : -ESTALE;
	if (fi && fi->fh && S_ISREG(inode->mode)) {
		*ret = (struct data_fd){ .fd = fh_own(fi) };
		return 0;
	}
	ret->fd = node_open(fs, inode, flags);
	if (ret->fd < 0)
		return ret->fd;
	ret->owned = true;
	return 0;
}

/* Of its own content, which is another file's if it is a draft. Whether it is does not change for who writes. */
static int data_open(fuse_req_t req, fuse_ino_t nodeid, const struct fuse_file_info *fi, int flags,
		     struct data_fd *ret)
{
	struct inode *inode = is_control(nodeid) ? NULL : node_find(fs_of(req), nodeid);

	if (!inode || !drafting_is(inode))
		return data_open_file(req, nodeid, fi, flags, ret);
	ret->fd = drafting_open(fs_of(req), inode, flags);
	ret->owned = ret->fd >= 0;
	return ret->owned ? 0 : ret->fd;
}

/* The blob of a stub, for one request. -ENODATA: it is none any more. */
static int open_blob(struct fs *fs, struct inode *inode, const struct fuse_file_info *fi)
{
	_cleanup_close_ int own = -1;

	if (fi->fh)
		return content_open_blob(fs, fh_own(fi), false);
	own = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	return own < 0 ? own : content_open_blob(fs, own, false);
}

/*
 * The mark is gone: whoever takes it away is almost through. True: its content is its own by now, or it is a stub again.
 * False: it is taken for one, but cannot be.
 */
static bool await_own(struct fs *fs, struct inode *inode)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	_cleanup_close_ int own = -1;
	_cleanup_close_ int blob = -1;

	if (!(atomic_load(&inode->flags) & INODE_STUB))
		return true;
	own = node_open_locked(fs, inode, O_PATH | O_NOFOLLOW);
	blob = own < 0 ? own : content_open_blob(fs, own, true);
	return blob != -ENODATA;
}

/*
 * A descriptor to read the content from, wherever it is: nothing that is open becomes a stub, but one may cease to
 * be one at any moment, and then the file itself has the same. -EXDEV: the open still has what was before somebody
 * wrote, and only the kernel can read that.
 */
static int data_open_content(fuse_req_t req, fuse_ino_t nodeid, const struct fuse_file_info *fi,
			     struct data_fd *ret)
{
	struct fs *fs = fs_of(req);
	struct inode *inode = is_control(nodeid) ? NULL : node_find(fs, nodeid);

	while (inode && atomic_load(&inode->flags) & INODE_STUB) {
		if (drafting_is(inode)) /* what the open has is what was there before, perhaps */
			return data_open(req, nodeid, fi, O_RDONLY | O_NONBLOCK, ret);
		ret->owned = !fh_blob(fi);
		ret->fd = ret->owned ? open_blob(fs, inode, fi) : fh_blob(fi);
		if (ret->fd >= 0)
			return 0;
		ret->owned = false;
		if (ret->fd != -ENODATA)
			return ret->fd;
		if (!await_own(fs, inode))
			break;
	}
	if (inode && !fi->fh && atomic_load(&inode->flags) & INODE_SPLIT)
		return -EXDEV;
	return data_open(req, nodeid, fi, O_RDONLY | O_NONBLOCK, ret);
}

void op_read(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);
	int r;

	fs_count(fs_of(req), FS_OP_read);
	if (is_control(nodeid)) {
		opc_read(req, size, off, fi);
		return;
	}
	if (!fi->fh) {
		reply_err(req, -EIO); /* the kernel reads passthrough files itself */
		return;
	}
	r = data_open_content(req, nodeid, fi, &d);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buf.buf[0].fd = d.fd;
	buf.buf[0].pos = off;
	fs_add(&fs_of(req)->read_bytes,
	       size); /* as asked for, in pages: what is there only the splice knows */
	lock_assert_none();
	(void)fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

/* A target of a copy may be a stub just now, or become one. */
static ssize_t write_locked(struct fs *fs, struct inode *inode, struct fuse_bufvec *out,
			    struct fuse_bufvec *in)
{
	_cleanup_(lock_dropp) struct lock *lock = NULL;
	int r = clone_lock_target(fs, inode, &lock);

	return r < 0 ? r : fuse_buf_copy(out, in, 0);
}

void op_write_buf(fuse_req_t req, fuse_ino_t nodeid, struct fuse_bufvec *in, off_t off,
		  struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	struct fs *fs = fs_of(req);
	struct inode *inode;
	struct growth g;
	ssize_t n;
	int r;

	fs_count(fs, FS_OP_write);
	if (is_control(nodeid)) {
		opc_write(req, nodeid, in, fi);
		return;
	}
	inode = node_find(fs, nodeid);
	if (!inode || !fi->fh) {
		reply_err(req, inode ? -EIO : -ESTALE);
		return;
	}
	r = data_open(req, nodeid, fi, O_WRONLY | O_NONBLOCK, &d);
	if (r == 0)
		r = growth_begin(fs, inode, (uint64_t)off + out.buf[0].size, true, &g);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	out.buf[0].size = growth_fits(&g, (uint64_t)off, out.buf[0].size);
	if (out.buf[0].size == 0) {
		growth_end(fs, inode, &g, 0);
		reply_err(req, -EDQUOT);
		return;
	}
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = d.fd;
	out.buf[0].pos = off;
	n = write_locked(fs, inode, &out, in);
	growth_end(fs, inode, &g, n > 0 ? (uint64_t)(off + n) : 0);
	if (n >= 0) /* the data is written, whatever becomes of the bits */
		(void)!attr_drop_setid(req, inode, fi, fh_own(fi));
	if (n < 0) {
		reply_err(req, (int)n);
		return;
	}
	fs_add(&fs->written_bytes, (uint64_t)n);
	reply_write(req, (size_t)n);
}

static int sync_fd(int fd, bool datasync)
{
	return (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

void op_fsync(fuse_req_t req, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	int r = data_open(req, nodeid, fi, O_RDONLY | O_NONBLOCK, &d);

	fs_count(fs_of(req), FS_OP_fsync);
	reply_err(req, r < 0 ? r : sync_fd(d.fd, datasync));
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	int r = is_control(nodeid) ? 0 : data_open(req, nodeid, fi, O_RDONLY | O_DIRECTORY, &d);

	fs_count(fs_of(req), FS_OP_fsyncdir);
	if (r == -ENOENT || is_control(nodeid))
		r = 0; /* nothing there, nothing to sync */
	else if (r == 0)
		r = sync_fd(d.fd, datasync);
	reply_err(req, r);
}

static int allocate_locked(struct fs *fs, struct inode *inode, int fd, int mode, off_t offset,
			   off_t length)
{
	_cleanup_(lock_dropp) struct lock *lock = NULL;
	int r = clone_lock_target(fs, inode, &lock);

	if (r < 0)
		return r;
	return fallocate(fd, mode, offset, length) < 0 ? -errno : 0;
}

/* Blocks beyond the end are room that no size shows: not to be had where each byte is counted. */
static int allocate(struct fs *fs, struct inode *inode, int fd, int mode, off_t offset,
		    off_t length)
{
	uint64_t end = mode & FALLOC_FL_KEEP_SIZE ? 0 : (uint64_t)offset + (uint64_t)length;
	struct growth g;
	struct stat st;
	int r;

	if (growth_is_watched(fs) && mode & FALLOC_FL_KEEP_SIZE && !(mode & FALLOC_FL_PUNCH_HOLE) &&
	    (fstat(fd, &st) < 0 || offset + length > st.st_size))
		return -EOPNOTSUPP;
	r = growth_begin(fs, inode, end, false, &g);
	if (r < 0)
		return r;
	r = allocate_locked(fs, inode, fd, mode, offset, length);
	if (r < 0) /* ext4 keeps what it got before the disk was full */
		end = fstat(fd, &st) < 0 ? 0 : MIN_OF(end, (uint64_t)st.st_size);
	growth_end(fs, inode, &g, end);
	return r;
}

void op_fallocate(fuse_req_t req, fuse_ino_t nodeid, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	struct fs *fs = fs_of(req);
	int r = data_open(req, nodeid, fi, O_RDWR | O_NONBLOCK, &d);

	fs_count(fs, FS_OP_fallocate);
	if (r == 0)
		r = allocate(fs, node_find(fs, nodeid), d.fd, mode, offset, length);
	reply_err(req, r);
}

/* A copy that is asked for. */
struct range {
	struct inode *in;
	off_t off_in;
	const struct fuse_file_info *fi_in;
	struct inode *out;
	off_t off_out;
	size_t len;
};

static ssize_t copy_whole(struct fs *fs, const struct range *c)
{
	_cleanup_close_ int own = -1;
	uint64_t bytes;
	int r;

	if (c->off_in != 0 || c->off_out != 0 || !(atomic_load(&c->in->flags) & INODE_STUB) ||
	    drafting_is(c->in))
		return -EOPNOTSUPP;
	if (!c->fi_in->fh)
		own = node_open(fs, c->in, O_PATH | O_NOFOLLOW);
	if (!c->fi_in->fh && own < 0)
		return own;
	r = clone_whole(fs, c->fi_in->fh ? fh_own(c->fi_in) : own, c->out, c->len, &bytes);
	return r < 0 ? r : (ssize_t)bytes;
}

static ssize_t copy_locked(struct fs *fs, const struct range *c, int in, int out, size_t len)
{
	_cleanup_(lock_dropp) struct lock *lock = NULL;
	int r = clone_lock_target(fs, c->out, &lock);
	ssize_t n;

	if (r < 0)
		return r;
	n = copy_file_range(in, &(off_t){ c->off_in }, out, &(off_t){ c->off_out }, len, 0);
	return n < 0 ? -errno : n;
}

/* As much as there is of the source, and as the destination may have. */
static ssize_t copy_bytes(struct fs *fs, const struct range *c, int in, int out)
{
	uint64_t len = c->len;
	struct growth g;
	struct stat st;
	uint64_t fits;
	ssize_t n;
	int r;

	if (exec_default_limits(fs->execs).bytes > 0) {
		if (fstat(in, &st) < 0)
			return -errno;
		len = MIN_OF(len, (uint64_t)MAX_OF(st.st_size - c->off_in, 0));
	}
	r = growth_begin(fs, c->out, (uint64_t)c->off_out + len, true, &g);
	if (r < 0)
		return r;
	fits = growth_fits(&g, (uint64_t)c->off_out, len);
	n = fits == 0 && len > 0 ? -EDQUOT : copy_locked(fs, c, in, out, fits);
	growth_end(fs, c->out, &g, n > 0 ? (uint64_t)(c->off_out + n) : 0);
	return n;
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t nodeid_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t nodeid_out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags)
{
	_cleanup_(data_fd_done) struct data_fd in = { .fd = -1 };
	_cleanup_(data_fd_done) struct data_fd out = { .fd = -1 };
	struct fs *fs = fs_of(req);
	struct range c = { .off_in = off_in, .fi_in = fi_in, .off_out = off_out, .len = len };
	ssize_t n;

	(void)flags; /* none are known */
	fs_count(fs, FS_OP_copy_file_range);
	n = data_open_content(req, nodeid_in, fi_in, &in); /* after -EXDEV the kernel copies */
	if (n == 0)
		n = data_open(req, nodeid_out, fi_out, O_WRONLY | O_NONBLOCK, &out);
	if (n == 0) {
		c.in = node_find(fs, nodeid_in);
		c.out = node_find(fs, nodeid_out);
		n = copy_whole(fs, &c);
		if (n < 0 && n != -EDQUOT)
			n = copy_bytes(fs, &c, in.fd, out.fd);
	}
	if (n < 0)
		reply_err(req, (int)n);
	else
		reply_write(req, (size_t)n);
}

void op_lseek(fuse_req_t req, fuse_ino_t nodeid, off_t off, int whence, struct fuse_file_info *fi)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	int r = data_open_content(req, nodeid, fi, &d);
	off_t at;

	fs_count(fs_of(req), FS_OP_lseek);
	if (r < 0) { /* -EINVAL: holes cannot be told, so who looks for them reads */
		reply_err(req, r == -EXDEV ? -EINVAL : r);
		return;
	}
	at = lseek(d.fd, off, whence);
	if (at < 0) {
		reply_err(req, -errno);
		return;
	}
	lock_assert_none();
	(void)fuse_reply_lseek(req, at);
}

/* ext4 asks for CAP_SYS_RESOURCE, which the daemon has; whether the client does, the kernel has not looked. */
static bool may_change(fuse_req_t req, int fd, long flags)
{
	long old = 0;

	if (fuse_req_ctx(req)->uid == 0 || ioctl(fd, FS_IOC_GETFLAGS, &old) < 0)
		return true;
	return !((old ^ flags) & FS_JOURNAL_DATA_FL);
}

/* chattr(1) and the like; the kernel has checked who may. All other ioctls are not ours to forward. */
void op_ioctl(fuse_req_t req, fuse_ino_t nodeid, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf, size_t in_bufsz,
	      size_t out_bufsz)
{
	_cleanup_(data_fd_done) struct data_fd d = { .fd = -1 };
	struct fs *fs = fs_of(req);
	struct inode *inode;
	union {
		long flags;
		struct fsxattr attr;
	} value = { 0 };
	size_t out = cmd == FS_IOC_GETFLAGS	? sizeof(int)
		     : cmd == FS_IOC_FSGETXATTR ? sizeof(value.attr)
						: 0;
	size_t in = cmd == FS_IOC_SETFLAGS     ? sizeof(int)
		    : cmd == FS_IOC_FSSETXATTR ? sizeof(value.attr)
					       : 0;
	int r;

	(void)arg;
	(void)flags;
	fs_count(fs_of(req), FS_OP_ioctl);
	if (!(out || in) || in_bufsz < in || out_bufsz < out) {
		reply_err(req, -ENOTTY);
		return;
	}
	r = data_open_file(req, nodeid, fi, O_RDONLY | O_NONBLOCK, &d);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	inode = node_find(fs, nodeid);
	if (in &&
	    S_ISREG(inode->mode)) /* it could not come home any more if it may not be changed */
		r = home_own(fs, inode);
	split_tell(fs, inode);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	if (in)
		memcpy(&value, in_buf, in);
	if (cmd == FS_IOC_SETFLAGS && !may_change(req, d.fd, value.flags)) {
		reply_err(req, -EPERM);
		return;
	}
	if (ioctl(d.fd, cmd, &value) < 0) {
		reply_err(req, -errno);
		return;
	}
	if (in) {
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		content_learn_again_locked(inode, d.fd);
	}
	if (in)
		fs_attributes_changed(fs, nodeid); /* ctime: the kernel does not think of it */
	lock_assert_none();
	(void)fuse_reply_ioctl(req, 0, &value, out);
}
