/* SPDX-License-Identifier: MIT */
/*
 * A name in a directory, as an operation's target: the directory open, its execution and the child's held
 * against release until target_leave().
 */
#ifndef FUSE_TARGET_H
#define FUSE_TARGET_H

#include "fuse/node.h"

struct target {
	struct inode *dir;
	struct dirref ref; /* .fd is -1 while the directory is virtual and was not to be made */
	struct execution *parent_exec; /* entered; NULL in the root */
	struct execution *exec;	       /* the child's; entered */
	enum place place;	       /* the child's */
	bool own_exec;		       /* exec is not parent_exec */
	bool root_changed;	       /* a virtual directory was made */
};

/*
 * Enter `name` in the directory `parent`. `make`: something is to be created there, so a virtual directory
 * is made. 0; -ESTALE, -ENOENT (directory gone; or virtual and not `make`), -errno.
 */
int target_enter(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir,
		 bool make, struct target *ret) WARN_UNUSED;

/* Let go; then tell the kernel what it must know before the reply. */
void target_leave(struct fs *fs, struct target *t);

/* The directory batonfs made may be empty now: let it vanish. Before target_leave(). */
void target_vanish(struct fs *fs, struct target *t);

/*
 * The inode of `name`, one lookup counted, and what the kernel wants to know of it. `fd` >= 0: the file,
 * already open, which saves the path walk. 0, -ENOENT, -errno.
 */
int target_entry(struct fs *fs, struct target *t, const char *name, int fd,
		 struct inode **ret_inode, struct fuse_entry_param *ret) WARN_UNUSED;

/*
 * The same for a lookup, which enters nothing: the execution is only looked at. In the root, IDs of n8n's
 * shape are found although nothing is there.
 */
int entry_lookup(struct fs *fs, struct inode *dir, int dirfd, const char *name,
		 struct fuse_entry_param *ret) WARN_UNUSED;

/* `name` was created: put it under its execution. Regular files: size_bytes is what they start with. */
void target_created(struct fs *fs, struct target *t, fuse_req_t req, const char *name,
		    struct inode *inode, const struct stat *st);

#endif
