/* SPDX-License-Identifier: MIT */
/*
 * Making the kernel forget what a large released execution had, before its directory is dropped: that drop holds
 * the lock of the root as long as it has something to forget, and everybody waits who looks up a name there.
 */
#ifndef FUSE_PRUNE_H
#define FUSE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

struct execution;
struct fs;

/*
 * Have the kernel forget one inode, which it cannot while somebody has it open, mapped or as its working directory;
 * it tells by a FORGET, soon. Without a lock held; takes none that a client may have. False: this kernel has no way
 * to do that.
 */
bool prune_inode(struct fs *fs, uint64_t nodeid);

/*
 * Begin with it, in the notifier's thread; its directory, by node id (0: the kernel does not know it), is moved aside first
 * (aside.h). Nothing happens for a small one, or without memory.
 */
void prune_released(struct fs *fs, struct execution *e, uint64_t dir);

#endif
