/* SPDX-License-Identifier: MIT */
/*
 * Inodes by their ino: linear hashing, one bucket is split per insertion, so no request ever waits for a rehash.
 * The chains are in the inodes (hash_next). Not thread-safe: itable.lock.
 */
#ifndef FUSE_INODE_HASH_H
#define FUSE_INODE_HASH_H

#include "fuse/inode.h"
#include "util/macro.h"

struct inode_hash {
	struct inode *inodes; /* borrowed: the array that all of them are in */
	uint32_t *buckets;    /* reserved; index + 1 of the first inode */
	uint64_t level;	      /* buckets before the current round of splits, a power of two */
	uint64_t split;	      /* next bucket to split */
};

/* 0 or -ENOMEM: then nothing is left to be undone but with the process. */
int inode_hash_init(struct inode_hash *h, struct inode *inodes) WARN_UNUSED;
void inode_hash_done(struct inode_hash *h);

/* count: how many there are, this one among them. Without memory the chains get longer. */
void inode_hash_insert(struct inode_hash *h, struct inode *inode, uint64_t count);
void inode_hash_remove(struct inode_hash *h, struct inode *inode);

/*
 * The one with this ino and handle that has a name (INODE_ORPHAN is not set); the handle of an INODE_AUTO does not
 * count. NULL: there is none.
 */
struct inode *inode_hash_find(struct inode_hash *h, uint64_t ino, const struct handle *handle);

/*
 * Of an empty one: as many buckets as there may be inodes, at once; splitting them one by one takes longer than all
 * the rest. And the bucket that an inode will be inserted into soon: they are anywhere.
 */
void inode_hash_presize(struct inode_hash *h, uint64_t n);
void inode_hash_prefetch(const struct inode_hash *h, uint64_t ino);

#endif
