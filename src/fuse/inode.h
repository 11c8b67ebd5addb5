/* SPDX-License-Identifier: MIT */
/*
 * An inode that the kernel knows. It is memory that outlives the process (takeover/keep.h): the next one finds it
 * as it is, and what belongs to a process in it is reset (itable.h). Whose lock is needed for a field is said
 * there.
 */
#ifndef FUSE_INODE_H
#define FUSE_INODE_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "exec/execution.h"
#include "store/handle.h"
#include "takeover/keep.h"

/* Known at a time, at most. Source: 2^26 of 128 bytes are 8 GiB, more than a host gives to a daemon. */
#define INODES_MAX (UINT32_C(1) << 26)

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
	/* A virtual directory that is in the ring of known_ids.c; the kernel may remember names as missing in it. */
	INODE_LISTED = 1u << 20,
	INODE_ASKED = 1u << 21,
	/* Split off a stub: what is read of it is as long as that was, which is size_accounted. */
	INODE_PAST = 1u << 22,
	/* A file that has, or had, several names: its attributes are nobody's to ask for but a client's (refresh.h). */
	INODE_LINKED = 1u << 23,
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
	struct handle handle;	 /* INODE_AUTO: its execution's ID instead, see inode_auto_id() */

	_Atomic uint32_t flags; /* enum inode_flag; changes under the inode lock */
};

/*
 * Its descriptor is the caller's, to close; not kept any more. In this order: the next process closes what is not kept, and
 * must not take another one of that number for the inode's.
 */
static inline int inode_take_fd(struct inode *inode)
{
	int fd = inode->fd;

	inode->fd = -1;
	atomic_signal_fence(memory_order_seq_cst);
	keep_fd_drop(fd);
	return fd;
}

/*
 * Its backing id is the caller's, to unregister; it has none any more. In this order: killed in between an id stays registered that
 * nobody has, rather than that the next process takes one for the inode's that is another file's by then.
 */
static inline int inode_take_backing(struct inode *inode)
{
	int id = inode->backing_id;

	inode->backing_id = 0;
	atomic_signal_fence(memory_order_seq_cst);
	return id;
}

/* The ID in the handle of an INODE_AUTO. Source: what batonfs makes has an ID of n8n's shape, 16 characters at most. */
static inline void inode_set_auto_id(struct inode *inode, const char *id)
{
	inode->handle = (struct handle){ 0 };
	(void)memccpy(inode->handle.bytes, id, '\0', sizeof(inode->handle.bytes) - 1);
}

static inline const char *inode_auto_id(const struct inode *inode)
{
	return (const char *)inode->handle.bytes;
}

#endif
