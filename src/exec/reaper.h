/* SPDX-License-Identifier: MIT */
/*
 * The reaper: a thread that releases executions, and files with a lifetime of their own, when their time is
 * over and nobody has them open or mapped.
 */
#ifndef EXEC_REAPER_H
#define EXEC_REAPER_H

#include "exec/execution.h"

struct reaper;

/* How often lifetimes are looked at, at least. */
#define REAPER_TICK_NS (NS_PER_S / 2)

/* How soon an execution that was found in use is looked at again. */
#define REAPER_RETRY_NS (5 * NS_PER_S)

/*
 * Remove one file with a lifetime of its own, if nobody uses it: the inode `h` with number `ino`. The layer
 * above knows the file's opens and the kernel's cache. 0 removed or gone already, -EBUSY in use.
 */
struct reaper_upcalls {
	void *ctx; /* borrowed */
	int (*expire_file)(void *ctx, uint64_t ino, const struct handle *h,
			   int64_t activity_real_ns, int64_t ttl_ns);
	/*
	 * Whether somebody may have mapped the file as a stub: then the blob is in use, and the file itself is not. 1, 0,
	 * -errno; NULL: there are no stubs.
	 */
	int (*is_lent)(void *ctx, uint64_t ino, const struct handle *h);
	/* Nobody has been in it for a while: let its directory vanish if it is empty (exec_vanish()). */
	void (*vanish)(void *ctx, struct execution *e);
};

/* Starts the thread. Borrows all. */
int reaper_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	       const struct reaper_upcalls *up, struct reaper **ret) WARN_UNUSED;
void reaper_free(struct reaper *r);

#endif
