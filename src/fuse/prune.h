/* SPDX-License-Identifier: MIT */
/*
 * Making the kernel forget what a large released execution had, before its directory is dropped: that drop holds
 * the lock of the root as long as it has something to forget, and everybody waits who looks up a name there.
 */
#ifndef FUSE_PRUNE_H
#define FUSE_PRUNE_H

struct execution;
struct fs;

/* Begin with it, in the notifier's thread. Nothing happens for a small one, or without memory. */
void prune_released(struct fs *fs, struct execution *e);

#endif
