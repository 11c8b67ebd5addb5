/* SPDX-License-Identifier: MIT */
/*
 * Whose an inode is: the execution that it belongs to, which may change with a rename, a link or a release.
 */
#ifndef FUSE_NODE_EXEC_H
#define FUSE_NODE_EXEC_H

#include "fuse/fs.h"

/* Its execution, with a reference for the caller. NULL for the root. */
struct execution *node_exec(struct fs *fs, struct inode *inode);

/*
 * Give it another execution and place (a rename or link): opens and bytes move along. Takes over the
 * reference to e.
 */
void node_set_exec(struct fs *fs, struct inode *inode, struct execution *e, enum place place);

/* Whether its execution has been released. */
bool node_is_over(struct fs *fs, struct inode *inode);

/*
 * A file whose execution has been released was found by a name of e's: hard links outlive a release. Give it to
 * e. False: somebody was faster, or has moved it.
 */
bool node_inherit(struct fs *fs, struct inode *inode, struct execution *e, enum place place);

/* An INODE_AUTO whose execution was released: the ID starts again with a new one. */
void node_rebind(struct fs *fs, struct inode *inode);

/*
 * The kernel's inode for the directory `id` of batonfs's making is not to be found again: who has it goes on,
 * but the next lookup gets another one. Needed when the kernel regards it as removed (it marks such inodes dead
 * for good) and when it would bring cached names of an execution that is over.
 */
void node_detach(struct fs *fs, const char *id);

/* The node id of the directory `id` of batonfs's making, virtual or not; 0: the kernel does not know it. */
uint64_t node_auto_dir(struct fs *fs, const char *id);

/* The node id of the directory that a released execution had; 0: the kernel does not know it. */
uint64_t node_released_dir(struct fs *fs, struct execution *e);

/*
 * If its directory is of batonfs's making and empty, it goes, and the kernel hears of it. See exec_vacate().
 */
void node_vanish(struct fs *fs, struct execution *e);

/* Whether it is the execution's own directory, virtual or not. */
bool node_is_exec_dir(struct inode *inode, struct execution *e);

/* The path below tree/ of the file behind fd, by the kernel's word; -ENOENT if it has none. */
int node_path(struct fs *fs, int fd, char *buf, size_t len) WARN_UNUSED;

#endif
