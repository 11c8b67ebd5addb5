/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: the backing file's own, the computed user.baton.* ones (op_control.c), and the
 * store's marks, which do not exist for clients.
 */
#include "fuse/op.h"

#include <errno.h>
#include <limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "baton/interface.h"
#include "fuse/access.h"
#include "fuse/move.h"
#include "fuse/node.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/split.h"
#include "store/mark.h"
#include "store/procfd.h"
#include "takeover/prober.h"
#include "util/cleanup.h"
#include "util/fault.h"

static bool is_baton(const char *name)
{
	return strncmp(name, BATON_XATTR_PREFIX, strlen(BATON_XATTR_PREFIX)) == 0;
}

/* Names that filesystems list for the privileged only, which we are. */
static bool is_trusted(const char *name)
{
	return strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) == 0;
}

/*
 * Where SELinux is at work, it answers for its label itself and nobody asks us. Elsewhere nobody needs one; but
 * `ls -l` asks for it file by file, unless it is told once that there are none here.
 */
static bool is_label(const char *name)
{
	return strcmp(name, XATTR_NAME_SELINUX) == 0;
}

/* The inode, if attributes of that name can be had of it. 0 or -errno. */
static int find(fuse_req_t req, fuse_ino_t nodeid, const char *name, struct inode **ret)
{
	if (is_control(nodeid) || (name && (mark_is_name(name) || is_label(name))))
		return -EOPNOTSUPP;
	*ret = node_find(fs_of(req), nodeid);
	return *ret ? 0 : -ESTALE;
}

static bool is_capability(const char *name)
{
	return strcmp(name, XATTR_NAME_CAPS) == 0;
}

/* The kernel asks again and again; nobody can have set one but through us. */
static bool has_no_capability(const struct inode *inode, const char *name)
{
	return (atomic_load(&inode->flags) & (INODE_NO_CAPABILITY | INODE_CAPABILITY_SET)) ==
		       INODE_NO_CAPABILITY &&
	       is_capability(name);
}

/* A move (content.h) sets a file's capability again, as it was before. */
static struct lock *lock_for(struct fs *fs, struct inode *inode, const char *name)
{
	return is_capability(name) ? move_lock_still(fs, inode) : NULL;
}

/* By the watchdog, which nobody is to see in the counts. */
static bool answer_probe(fuse_req_t req, fuse_ino_t nodeid, const char *name, size_t size)
{
	if (!is_control(nodeid) || strcmp(name, PROBER_XATTR) != 0)
		return false;
	access_silent();
	reply_xattr(req, "", 0, size);
	return true;
}

void op_getxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name, size_t size)
{
	struct fs *fs = fs_of(req);
	_cleanup_free_ char *buf = NULL;
	struct inode *inode;
	struct dirref ref;
	ssize_t n = 0;
	/* The kernel itself asks control nodes for their ACL, and takes no other answer for "none". */
	int r = is_control(nodeid) ? -ENODATA : find(req, nodeid, name, &inode);

	if (answer_probe(req, nodeid, name, size))
		return;
	fs_count(fs, FS_OP_getxattr);
	if (r == 0 && is_baton(name)) {
		opc_getxattr(req, inode, name, size);
		return;
	}
	if (r == 0 && has_no_capability(inode, name))
		r = -ENODATA;
	if (r == 0 && size) {
		buf = malloc(MIN_OF(size, (size_t)XATTR_SIZE_MAX));
		r = buf ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = node_get(fs, inode, &ref);
	if (r == 0) {
		struct procfd path = procfd(ref.fd);

		n = getxattr(path.name, name, buf, size ? MIN_OF(size, (size_t)XATTR_SIZE_MAX) : 0);
		r = n < 0 ? -errno : 0;
		node_put(fs, &ref);
		if (r == -ENODATA && is_capability(name))
			atomic_fetch_or(&inode->flags, INODE_NO_CAPABILITY);
	}
	if (r < 0)
		reply_err(req, r == -ENOENT ? -ENODATA : r); /* a virtual directory has none */
	else
		reply_xattr(req, buf, (size_t)n, size);
}

/* Take out of a list of names what the caller is not to see. Returns its new length. */
static size_t hide_names(fuse_req_t req, char *list, size_t len)
{
	bool privileged = fuse_req_ctx(req)->uid == 0;
	size_t out = 0;

	for (size_t at = 0; at < len;) {
		size_t n = strlen(list + at) + 1;

		if (!mark_is_name(list + at) && !is_label(list + at) &&
		    (privileged || !is_trusted(list + at))) {
			memmove(list + out, list + at, n);
			out += n;
		}
		at += n;
	}
	return out;
}

void op_listxattr(fuse_req_t req, fuse_ino_t nodeid, size_t size)
{
	struct fs *fs = fs_of(req);
	_cleanup_free_ char *list = malloc(XATTR_LIST_MAX);
	struct inode *inode;
	struct dirref ref;
	ssize_t n = 0;
	int r = list ? find(req, nodeid, NULL, &inode) : -ENOMEM;

	fs_count(fs, FS_OP_listxattr);
	if (r == 0)
		r = node_get(fs, inode, &ref);
	if (r == 0) {
		struct procfd path = procfd(ref.fd);

		n = listxattr(path.name, list, XATTR_LIST_MAX);
		r = n < 0 ? -errno : 0;
		node_put(fs, &ref);
	}
	if (r == -ENOENT || is_control(nodeid))
		r = 0; /* virtual, control: none */
	if (r < 0)
		reply_err(req, r);
	else
		reply_xattr(req, list, hide_names(req, list, (size_t)n), size);
}

/*
 * An ACL, like a mode, does not keep a file set-gid if whoever sets it is no member of its group. The backing
 * filesystem judges by us.
 */
static int drop_setgid(fuse_req_t req, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID) || attr_in_group(req, st.st_gid))
		return 0;
	return chmod(path, st.st_mode & 05777) < 0 ? -errno : 0;
}

/* Of ACLs none is in the way, and none is missing. */
static bool is_missing(const char *path, const char *name)
{
	return getxattr(path, name, NULL, 0) < 0 && errno == ENODATA;
}

static bool is_acl(const char *name)
{
	return strncmp(name, XATTR_SYSTEM_PREFIX, XATTR_SYSTEM_PREFIX_LEN) == 0;
}

/*
 * What the last process has made, or removed, is no error; but what was there before that began, or was not, is one. It
 * is the same until the answer, since the kernel has the inode locked.
 */
static int set_once(const char *path, const char *name, const char *value, size_t size, int flags)
{
	const struct request_change change = { .kind = CHANGE_XATTR, .fd = -1 };
	int r;

	if (flags & XATTR_CREATE && !request_again(CHANGE_XATTR)) {
		if (!is_acl(name) && !is_missing(path, name))
			return -EEXIST;
		request_changing(&change);
	}
	if (request_again(CHANGE_XATTR))
		flags &= ~XATTR_CREATE;
	FAULT_HANG("xattr");
	r = setxattr(path, name, value, size, flags) < 0 ? -errno : 0;
	if (r < 0)
		request_changed(r, -1);
	return r;
}

static int remove_once(const char *path, const char *name)
{
	const struct request_change change = { .kind = CHANGE_XATTR, .fd = -1 };
	bool again = request_again(CHANGE_XATTR);
	int r;

	if (!again && !is_acl(name) && is_missing(path, name))
		return -ENODATA;
	request_changing(&change);
	FAULT_HANG("xattr");
	r = removexattr(path, name) < 0 ? -errno : 0;
	if (r == -ENODATA && again)
		return 0;
	if (r < 0)
		request_changed(r, -1);
	return r;
}

void op_setxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name, const char *value,
		 size_t size, int flags)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;
	struct dirref ref;
	int r = find(req, nodeid, name, &inode);

	fs_count(fs, FS_OP_setxattr);
	if (r == 0 && is_baton(name)) {
		opc_setxattr(req, inode, name, value, size);
		return;
	}
	if (r == 0)
		r = attr_get_real(req, fs, inode, &ref);
	if (r == 0) {
		struct procfd path = procfd(ref.fd);

		if (is_capability(
			    name)) /* first: who asks meanwhile may remember that there is none */
			atomic_fetch_or(&inode->flags, INODE_CAPABILITY_SET);
		{
			_cleanup_(lock_dropp) struct lock *lock = lock_for(fs, inode, name);

			r = set_once(path.name, name, value, size, flags);
		}
		if (r == 0 && strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0)
			r = drop_setgid(req, ref.fd, path.name);
		node_put(fs, &ref);
		split_tell_twin(fs, inode);
	}
	reply_err(req, r);
}

void op_removexattr(fuse_req_t req, fuse_ino_t nodeid, const char *name)
{
	struct fs *fs = fs_of(req);
	struct inode *inode;
	struct dirref ref;
	int r = find(req, nodeid, name, &inode);

	fs_count(fs, FS_OP_removexattr);
	if (r == 0 && is_baton(name))
		r = -EPERM;
	if (r == 0)
		r = node_get(fs, inode, &ref);
	if (r == 0) {
		struct procfd path = procfd(ref.fd);

		{
			_cleanup_(lock_dropp) struct lock *lock = lock_for(fs, inode, name);

			r = remove_once(path.name, name);
		}
		node_put(fs, &ref);
		split_tell_twin(fs, inode);
	}
	reply_err(req, r == -ENOENT ? -ENODATA : r);
}
