/* SPDX-License-Identifier: MIT */
/*
 * All inodes: an array in memory that outlives the process (KEEP_INODES), committed in chunks as it grows and given
 * back chunk by chunk when all objects of one are free.
 *
 *     index = chunk * INODE_CHUNK + slot          index 0 is the header, index 1 is the root
 *
 * Not thread-safe: itable.lock, but for what says otherwise.
 */
#ifndef FUSE_INODE_ARRAY_H
#define FUSE_INODE_ARRAY_H

#include <stdbool.h>

#include "fuse/inode.h"
#include "takeover/keep.h"
#include "util/macro.h"

/* The root's index, and node id. Source: FUSE_ROOT_ID in linux/fuse.h. */
#define INODE_ROOT 1

/* Inodes committed and given back together: 1024 of 128 bytes, 32 pages. */
#define INODE_CHUNK 1024

struct inode_chunk {
	uint32_t used;	/* objects alive */
	uint32_t fresh; /* slots never used since the chunk was committed start here */
	uint32_t free;	/* index + 1 of the first freed slot */
};

/* In the place of the first inode: what the next process must know. */
struct inode_array_header {
	_Atomic uint32_t chunks_open; /* lock: chunks below this may be in use */
	uint32_t generation;	      /* lock: of the next object */
};

struct inode_array {
	/* Constant. */
	struct keep *keep;    /* borrowed */
	struct inode *inodes; /* its area */
	struct inode_array_header *header;

	struct inode_chunk *chunks; /* owned; zero pages until used */
	uint32_t hint;		    /* no chunk below this has room */
};

/* With the header and the root in use; what a process before has left is there. 0; -ENOMEM: the process is to end. */
int inode_array_init(struct inode_array *a, struct keep *keep) WARN_UNUSED;
void inode_array_done(struct inode_array *a);

/* Without the lock. */
static inline uint32_t inode_array_index(const struct inode_array *a, const struct inode *inode)
{
	return (uint32_t)(inode - a->inodes);
}

/* Chunks below this may be in use; without the lock as of some time. */
static inline uint32_t inode_array_open(const struct inode_array *a)
{
	return atomic_load_explicit(&a->header->chunks_open, memory_order_relaxed);
}

/* A free slot: all zeroes but for hash_next. 0, -ENFILE (INODES_MAX), -ENOMEM. */
int inode_array_take(struct inode_array *a, struct inode **ret) WARN_UNUSED;
void inode_array_give_back(struct inode_array *a, struct inode *inode);

/* For the next object: never 0, which free slots have, nor with the top bit, which is for control nodes. */
uint32_t inode_array_generation(struct inode_array *a);

/* Chunks that the process before has written to: [*chunk, *ret_end), the first at or after *chunk. False: no more. */
bool inode_array_next_written(struct inode_array *a, uint32_t *chunk, uint32_t *ret_end);

/* One that was in use when a process ended is not, and was not counted as used; and the chunk, if none of it is. */
void inode_array_set_free(struct inode_array *a, struct inode *inode);
void inode_array_discard_unused(struct inode_array *a, uint32_t chunk);

#endif
