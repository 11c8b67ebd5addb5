/* SPDX-License-Identifier: MIT */
/*
 * The operations, for the table in ops.c. Each decodes, calls down, and replies once at its end.
 */
#ifndef FUSE_OP_H
#define FUSE_OP_H

#include "fuse/fs.h"

/* op_entry.c: names of what is there */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t nodeid, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_link(fuse_req_t req, fuse_ino_t nodeid, fuse_ino_t newparent, const char *newname);

/* op_create.c: what is made anew */
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);

/* op_remove.c: names that go */
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);

/* op_rename.c */
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags);

/* op_attr.c: attributes */
void op_getattr(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);
void op_statx(fuse_req_t req, fuse_ino_t nodeid, int flags, int mask, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t nodeid, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t nodeid);
void op_statfs(fuse_req_t req, fuse_ino_t nodeid);

/* As node_get(), but what is virtual is made real first. */
int attr_get_real(fuse_req_t req, struct fs *fs, struct inode *inode, struct dirref *ret)
	WARN_UNUSED;

/*
 * The content of an open file changes for this request: clear its set-id bits if it has some and the caller
 * may not keep them. fi may be NULL. 0 or -errno.
 */
int attr_drop_setid(fuse_req_t req, struct inode *inode, const struct fuse_file_info *fi, int fd)
	WARN_UNUSED;

/* Whether the caller may make a file set-gid that belongs to this group: as a member, or as root. */
bool attr_in_group(fuse_req_t req, gid_t gid);

/* op_open.c: from open to release */
void op_open(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);
/* As release, of an open that the kernel never heard of: `writes`, and what it had for fi->fh. */
void op_undo_open(struct fs *fs, uint64_t nodeid, uint64_t fh, bool writes);
void op_release(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);

/* op_data.c: contents, where the kernel asks us */
void op_read(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, struct fuse_file_info *fi);
void op_write_buf(fuse_req_t req, fuse_ino_t nodeid, struct fuse_bufvec *bufv, off_t off,
		  struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t nodeid, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t nodeid_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t nodeid_out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags);
void op_lseek(fuse_req_t req, fuse_ino_t nodeid, off_t off, int whence, struct fuse_file_info *fi);
void op_ioctl(fuse_req_t req, fuse_ino_t nodeid, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf, size_t in_bufsz,
	      size_t out_bufsz);

/* op_dir.c: listings */
void op_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		    struct fuse_file_info *fi);
/* With `privacy` only. */
void op_opendir(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t nodeid, int datasync, struct fuse_file_info *fi);

/* op_xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name, const char *value,
		 size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t nodeid, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t nodeid, const char *name);

/* op_control.c: the same on .baton; called by the operations above for nodes with CONTROL_NODE_BIT */
static inline bool is_control(fuse_ino_t nodeid)
{
	return nodeid & CONTROL_NODE_BIT;
}

/* Part of fi->fh of the accesslog, beside its descriptor. */
#define ACCESSLOG_FH (UINT32_C(1) << 31)

/* op_accesslog.c: .baton/accesslog, `fd` being its reader's descriptor; called by op_control.c. 0 or -errno. */
int opl_open(struct fs *fs, fuse_req_t req, int fd) WARN_UNUSED;
void opl_read(fuse_req_t req, int fd, size_t size, const struct fuse_file_info *fi);
void opl_release(struct fs *fs, int fd);

void opc_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void opc_getattr(fuse_req_t req, fuse_ino_t nodeid);
void opc_open(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi);
void opc_read(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi);
void opc_write(fuse_req_t req, fuse_ino_t nodeid, struct fuse_bufvec *bufv,
	       struct fuse_file_info *fi);
/* What is read from then on from an open with this text, if a write to it was refused. */
void opc_keep_reason(int text_fd, const struct control_reason *why);
void opc_release(fuse_req_t req, struct fuse_file_info *fi);
void opc_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, bool plus);
/* Who asks, as control/ wants him. */
struct control_caller opc_caller(fuse_req_t req);

/* op_control_xattr.c: user.baton.*; called by op_xattr.c */
void opc_getxattr(fuse_req_t req, struct inode *inode, const char *name, size_t size);
void opc_setxattr(fuse_req_t req, struct inode *inode, const char *name, const char *value,
		  size_t size);

#endif
