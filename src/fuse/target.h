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
	bool charged;		       /* a file more is counted already (growth.h) */
	bool root_changed;	       /* a virtual directory was made */
	uint32_t epoch;		       /* fs.exec_epoch as of which the executions are right */
};

enum target_flag {
	TARGET_DIR = 1u << 0,	 /* the name is, or will be, a directory's */
	TARGET_MAKE = 1u << 1,	 /* something is to be created: a virtual directory is made */
	TARGET_NESTED = 1u << 2, /* the second target of one operation, see exec_enter_nested() */
};

/*
 * Enter `name` in the directory `parent`. flags: enum target_flag. 0; -ESTALE, -ENOENT (directory gone; or
 * virtual and not to be made), -EPERM (.baton), -errno.
 */
int target_enter(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name,
		 unsigned int flags, struct target *ret) WARN_UNUSED;

/*
 * Let go; a directory that batonfs made and that is empty now vanishes later (exec_vacate()). Then tell the kernel what
 * it must know before the reply.
 */
void target_leave(struct fs *fs, struct target *t);

/*
 * The inode of `name`, one lookup counted, and what the kernel wants to know of it. `fd` >= 0: the file,
 * just made and open, which saves the path walk. 0, -ENOENT, -errno.
 */
int target_entry(struct fs *fs, struct target *t, const char *name, int fd,
		 struct inode **ret_inode, struct fuse_entry_param *ret) WARN_UNUSED;

/*
 * The same for a lookup, which enters nothing: the execution is only looked at. In the root, IDs of n8n's
 * shape are found although nothing is there.
 */
int entry_lookup(struct fs *fs, struct inode *dir, int dirfd, const char *name,
		 struct fuse_entry_param *ret) WARN_UNUSED;

/*
 * What has the name now, by rename or link, may be missed by a walk that is on (exec/recover.h): tell the ledger of it
 * if it is a regular file. False: that failed, or it is a directory. st and h are the file's.
 */
bool target_report(struct fs *fs, struct target *t, const char *name, const struct stat *st,
		   const struct handle *h);

/*
 * `name` was made, and the answer is an error all the same: it goes again. If it cannot, the kernel, which takes it for
 * missing, is told to look.
 */
void target_unmade(struct fs *fs, struct target *t, const char *name, bool is_dir);

/* `name` was created: put it under its execution. Regular files: size_bytes is what they start with. */
void target_created(struct fs *fs, struct target *t, fuse_req_t req, const char *name,
		    struct inode *inode, const struct stat *st);

#endif
