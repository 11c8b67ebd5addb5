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

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "exec/execution.h"
#include "store/handle.h"
#include "takeover/keep.h"
#include "util/lock.h"

/* Inodes known at a time, at most. Source: 2^26 of 128 bytes are 8 GiB, more than a host gives to a daemon. */
#define ITABLE_MAX (UINT32_C(1) << 26)

enum inode_flag {
	/*
	 * An execution's directory that batonfs makes: its handle is the execution's (exec_dir()), which may
	 * have none (virtual). Its ino is batonfs's own and the key in the table.
	 */
	INODE_AUTO = 1u << 0,
	/* No name left; fd may hold it. Or detached (node_detach()). Never found by lookup again. */
	INODE_ORPHAN = 1u << 1,
	INODE_TIMED = 1u << 2, /* a file with a lifetime of its own */
	INODE_DIRTY_MAP =
		1u << 3, /* was open for reading and writing: a mapping may change it unseen */
	INODE_CACHED = 1u << 4,	   /* open through the daemon: no passthrough until closed */
	INODE_WARM = 1u << 5,	   /* in backing.c's ring of ids that stay registered */
	INODE_SETID = 1u << 6,	   /* has set-id bits: writing clears them */
	INODE_IMMUTABLE = 1u << 7, /* chattr +i; these two are known with INODE_LEARNED */
	INODE_APPEND = 1u << 8,	   /* chattr +a */
	/* No security.capability was found, which the kernel asks for before writes; and: one was set since. */
	INODE_NO_CAPABILITY = 1u << 9,
	INODE_CAPABILITY_SET = 1u << 10,
	/* Somebody learns its content (seal/upcalls.h), or has; both end when it may be written. */
	INODE_CLAIMED = 1u << 11,
	INODE_SEALED = 1u << 12,
	/* Whether it is a stub, and what chattr(1) set, is known; it is one (content.h). */
	INODE_LEARNED = 1u << 13,
	INODE_STUB = 1u << 14,
	/* Left to those who have it open as the stub that it was; its file has another inode, or will have. */
	INODE_SPLIT = 1u << 15,
	INODE_PINNED = 1u << 16, /* an orphan that has its blob pinned */
	/* A stub that was opened in passthrough: a mapping of its blob may be left, which keeps the inode known. */
	INODE_LENT = 1u << 17,
	INODE_TARGET = 1u << 18, /* may become a stub while it is open (clone.h), until closed */
	INODE_DRAFT = 1u << 19,	 /* a stub whose blob is its own, and may be written (drafting.h) */
};

struct inode {
	/* Constant while the object lives, but for INODE_AUTO's. */
	uint64_t ino;	     /* shown by stat; key in the table */
	uint32_t generation; /* of this object; high half of the node id */
	uint32_t mode;	     /* S_IFMT only */

	/* itable.lock */
	uint64_t nlookup;   /* the kernel's, as counted for answers */
	uint32_t hash_next; /* index + 1; 0 ends the chain. Also the free list */
	uint32_t nref;	    /* this process's own */

	/* inode lock (itable_lock()) */
	uint32_t nopen;
	uint32_t nopen_write; /* of those, what may write */
	int32_t backing_id;   /* 0: none registered */
	int32_t fd;	      /* O_PATH, of an orphan or of an open draft, else -1; owned */
	uint32_t exec_epoch;  /* as of which `exec` is right */
	/* Last second its activity was written down (INODE_TIMED); changes under the lock, read without. */
	_Atomic uint32_t touched_s;
	/* owned reference; NULL for the root. itable_scan() compares it without the lock */
	struct execution *_Atomic exec;
	uint64_t size_accounted; /* bytes of a regular file that its execution was charged */
	_Atomic uint8_t place;	 /* enum place; changes under the lock, read without */
	uint16_t nwriting;	 /* changes of its content under way, inode lock */
	struct handle handle;	 /* INODE_AUTO: its execution's ID instead, see itable_auto_id() */

	_Atomic uint32_t flags; /* enum inode_flag; changes under the inode lock */
};

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
 * 0, -ENOMEM, -ENFILE (ITABLE_MAX).
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

/* The ID in the handle of an INODE_AUTO. Source: what batonfs makes has an ID of n8n's shape, 16 characters at most. */
void itable_set_auto_id(struct inode *inode, const char *id);
static inline const char *itable_auto_id(const struct inode *inode)
{
	return (const char *)inode->handle.bytes;
}

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
