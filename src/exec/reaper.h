/* SPDX-License-Identifier: MIT */
/*
 * The reaper: a thread that releases executions, and files with a lifetime of their own, when their time is
 * over, or when room is needed, and nobody has them open or mapped.
 */
#ifndef EXEC_REAPER_H
#define EXEC_REAPER_H

#include "exec/execution.h"
#include "exec/recover.h"
#include "seal/seal.h"
#include "store/room.h"

struct reaper;

/* How often lifetimes are looked at, at least. */
#define REAPER_TICK_NS (NS_PER_S / 2)

/* How soon an execution that was found in use is looked at again. */
#define REAPER_RETRY_NS (5 * NS_PER_S)

/* A file with a lifetime of its own that is to go: the inode `handle` with number `ino`. */
struct reaper_doomed {
	uint64_t ino;
	struct handle handle;
	uint64_t execution;  /* number of the one that accounts for it */
	int64_t activity_ns; /* as the ledger knows it, in its time */
	int64_t ttl_ns;	     /* its own, or LEDGER_TTL_DEFAULT */
	enum ledger_reason reason;
};

struct reaper_upcalls {
	void *ctx; /* borrowed */
	/*
	 * Remove the file if nobody uses it. The layer above knows its opens and the kernel's cache. 0 removed or
	 * gone already, -EBUSY in use.
	 */
	int (*remove_file)(void *ctx, const struct reaper_doomed *f);
	/*
	 * Whether somebody may have mapped the file as a stub: then the blob is in use, and the file itself is not. 1, 0,
	 * -errno; NULL: there are no stubs.
	 */
	int (*is_lent)(void *ctx, uint64_t ino, const struct handle *h);
	/* A file that nobody uses is about to go: let go of what keeps its space. May be NULL. */
	void (*give_up)(void *ctx, uint64_t ino, const struct handle *h);
	/* Stubs have gone to make room: remove the blobs that nobody needs any more. May be NULL. */
	void (*collect)(void *ctx);
	/* How many have a file in memory open that they write to unseen. May be NULL. */
	uint32_t (*writers)(void *ctx);
	/* Nobody has been in it for a while: let its directory vanish if it is empty (exec_vanish()). */
	void (*vanish)(void *ctx, struct execution *e);
	struct seal *seal;		/* borrowed; spills (exec/spilling.h). NULL: nothing does */
	struct recover_upcalls recover; /* for the walk after the ledger has lost events */
};

/* Borrows all, but marks, which are copied: when the store is too full (exec/evict.h); high is not set: never. 0 or -errno. */
int reaper_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	       const struct room_marks *marks, struct reaper **ret) WARN_UNUSED;
/* Starts the thread. */
int reaper_start(struct reaper *r, const struct reaper_upcalls *up) WARN_UNUSED;
/* Ends it; the calls below go on to be possible. */
void reaper_stop(struct reaper *r);
void reaper_free(struct reaper *r);

/* Other marks from now on; looked at soon. Any thread. */
void reaper_set_marks(struct reaper *r, const struct room_marks *marks);

/* Somebody was told that the store is full (ENOSPC). Any thread, no locks held. r may be NULL. */
void reaper_full(struct reaper *r);
/* Files have become so much larger, as their writers closed them. The same. */
void reaper_grown(struct reaper *r, uint64_t bytes);

struct reaper_counts {
	uint64_t passes;   /* times that lifetimes were looked at */
	uint64_t deferred; /* executions and files whose time was over, but which were in use */
	uint64_t evicted_executions;
	uint64_t evicted_files; /* of `_` */
	uint64_t evicted_bytes;
};

void reaper_count(struct reaper *r, struct reaper_counts *ret);

#endif
