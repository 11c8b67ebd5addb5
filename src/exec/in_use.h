/* SPDX-License-Identifier: MIT */
/*
 * Whether an execution is in use: the kernel's answer (store/lease.h), file by file. The open counters only save
 * asking.
 */
#ifndef EXEC_IN_USE_H
#define EXEC_IN_USE_H

#include "exec/execution.h"

/* What would be given back if it went. */
struct in_use_room {
	uint64_t bytes;	     /* of blocks; those of files that have names elsewhere do not count */
	uint64_t away_bytes; /* likewise, in the directory that is spilled to (store/blob_away.h) */
	uint64_t inodes;
	bool shared; /* among the bytes are stubs' parts of their blobs: garbage, when all of them have gone */
};

struct in_use_upcalls {
	void *ctx; /* borrowed */
	/* 1: somebody may have mapped it as a stub, which does not show in the file; 0, -errno. NULL: no stubs. */
	int (*is_lent)(void *ctx, uint64_t ino, const struct handle *h);
	/* Not in use, and may go: what the caller keeps of it (a backing id) keeps its space, too. NULL: nothing. */
	void (*give_up)(void *ctx, uint64_t ino, const struct handle *h);
	struct ledger
		*ledger; /* borrowed; knows the other stubs of a blob. NULL: stubs give nothing */
};

/* What the file behind the handle would give back by itself; nothing if it is gone. */
void in_use_room_of(const struct store *store, struct ledger *ledger, const struct handle *h,
		    struct in_use_room *ret);

/*
 * 0 if no file of the execution is open or mapped, and *ret_room; -EBUSY; an answer that cannot be
 * had (-EMFILE, ...) is no permission. Blocks: a walk, and a lease for each file.
 */
int in_use_check(const struct store *store, struct execution *e, const struct in_use_upcalls *up,
		 struct in_use_room *ret_room) WARN_UNUSED;

#endif
