/* SPDX-License-Identifier: MIT */
/*
 * What a name stands for before it is removed or replaced, so that its inode and its execution can be told
 * afterwards.
 */
#ifndef FUSE_VICTIM_H
#define FUSE_VICTIM_H

#include "fuse/target.h"

struct victim {
	int fd; /* O_PATH, owned; -1: there is none */
	struct stat st;
	struct handle handle;
};

#define VICTIM_NONE ((struct victim){ .fd = -1 })

/* 0, -ENOENT, -errno. */
int victim_find(int dirfd, const char *name, struct victim *ret) WARN_UNUSED;

/* The same of what `fd` has open and has no name any more; -1: none was there. */
int victim_was(int fd, struct victim *ret) WARN_UNUSED;

/* Its name `name` in the target's directory is gone. May take the descriptor. */
void victim_gone(struct fs *fs, struct target *t, const char *name, struct victim *v);

void victim_done(struct victim *v);

/* A regular file has no name any more: e is given back what it was charged for it, and the row goes. */
void victim_uncharge(struct fs *fs, struct execution *e, uint64_t ino, uint64_t size_bytes);

#endif
