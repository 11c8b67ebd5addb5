/* SPDX-License-Identifier: MIT */
/*
 * The inodes that the kernel knows: node ids, lookup counts, handles. No descriptor is held per inode.
 *
 * A node id is (generation << 32 | index): the index finds the object in an array that never moves, the
 * generation tells a late request for a forgotten inode from a request for its successor. Node id 1 is the
 * root. Control nodes (control/) have the top bit set and are not in this table.
 *
 * An object lives while its lookup count is not 0. The kernel sends no request for an inode after its last
 * FORGET; the threads of this process that act on their own hold a count of their own (itable_ref).
 *
 * The array is memory that outlives the process (takeover/keep.h): it alone says what the kernel knows, the rest is
 * built from it. Whoever is killed within one of these functions leaves an inode that is not yet there, or one that is
 * known for nothing.
 */
#ifndef FUSE_ITABLE_H
#define FUSE_ITABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "exec/execution.h"
#include "fuse/inode.h"
#include "store/handle.h"
#include "takeover/keep.h"
#include "util/lock.h"

struct itable;

/* Called, without locks, for an inode whose last lookup is gone: give back what it holds. */
typedef void itable_evict_fn(void *ctx, struct inode *inode);

/*
 * keep: borrowed. In the place of a process that has died, with the inodes that it left; what belongs to a process is gone:
 * nref, nwriting and exec are 0. They are to be taken over before anything else is done with the table. 0, -ENOMEM.
 */
int itable_new(struct keep *keep, const struct handle *root, uint64_t root_ino,
	       itable_evict_fn *evict, void *ctx, struct itable **ret) WARN_UNUSED;

/* Before requests are served: `each` is called for the inodes that a dead process left, but the root, without locks. */
void itable_take_over(struct itable *t, void (*each)(void *arg, struct inode *inode), void *arg);

/* See takeover/format.h. */
uint64_t itable_layout(void);

/* Evicts everything first. */
void itable_free(struct itable *t);

uint64_t itable_nodeid(const struct itable *t, const struct inode *inode);

/* The object of a node id. NULL if the kernel has forgotten it: -ESTALE. Takes no reference. */
struct inode *itable_find(struct itable *t, uint64_t nodeid);

/*
 * The inode with this key, one lookup more on it; made from `like` (ino, mode, handle, flags, place, exec
 * and size_accounted are copied; the reference to exec is taken over) if there is none. For an
 * INODE_AUTO key the handle does not count, otherwise an object with the same ino and another handle is
 * another inode (its number was used again). *ret_new tells; if not new, like->exec stays the caller's.
 * 0, -ENOMEM, -ENFILE (INODES_MAX).
 */
int itable_lookup(struct itable *t, const struct inode *like, struct inode **ret, bool *ret_new)
	WARN_UNUSED;

/* The same for this process itself: a reference, not a lookup. */
int itable_know(struct itable *t, const struct inode *like, struct inode **ret, bool *ret_new)
	WARN_UNUSED;

/* One more lookup of an inode that the kernel knows, for an answer. */
void itable_again(struct itable *t, struct inode *inode);

/* The kernel gives lookups back. A count larger than what is there is taken as all of it. */
void itable_forget(struct itable *t, uint64_t nodeid, uint64_t n);

/* The answer that a lookup was counted for is not sent, or not taken. */
void itable_take_back(struct itable *t, uint64_t nodeid);

/* The live inode with this ino and handle, with a reference for the caller; NULL if the kernel does not know it. */
struct inode *itable_peek(struct itable *t, uint64_t ino, const struct handle *h);

/* The same by node id; NULL if it is forgotten. */
struct inode *itable_ref(struct itable *t, uint64_t nodeid);

/* Give a reference of itable_peek() or itable_ref() back. */
void itable_unref(struct itable *t, struct inode *inode);

/* Unless nobody else knows the inode: then false, and it is still the caller's. */
bool itable_unref_shared(struct itable *t, struct inode *inode) WARN_UNUSED;

/* It has no name any more: not to be found by itable_lookup() again. */
void itable_orphan(struct itable *t, struct inode *inode);

/* A nameless file got a name. */
void itable_adopt(struct itable *t, struct inode *inode);

/* The same for one that was orphaned though it had a name. False if another one has been made of its file since. */
bool itable_rejoin(struct itable *t, struct inode *inode) WARN_UNUSED;

/* The lock of one inode: striped, so never take two. */
struct lock *itable_lock(struct itable *t, const struct inode *inode);

/*
 * The node ids of those that belong to `exec`, piece by piece: *ret_n of at most ITABLE_SCAN_MAX, of the piece
 * that *piece counts, from 0. False at the end. What changes hands meanwhile may be missed, or be among them.
 */
#define ITABLE_SCAN_MAX 1024
bool itable_scan(struct itable *t, const struct execution *exec, uint32_t *piece,
		 uint64_t ret_ids[ITABLE_SCAN_MAX], uint32_t *ret_n);

/* Objects alive. */
uint64_t itable_count(struct itable *t);

#endif
