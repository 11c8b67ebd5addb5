/* SPDX-License-Identifier: MIT */
/*
 * Making room in a store in memory by moving content to a disk (seal/spill.h): what has been idle longest goes first,
 * of whatever execution, pinned or n8n's own, too, for nothing is lost by it. Executions by their last activity, and in
 * one its oldest files first; files with a lifetime of their own, and blobs that several share, one by one.
 *
 * Owned by evict.c; spilling_stop() is for any thread, all else for the reaper's.
 */
#ifndef EXEC_SPILLING_H
#define EXEC_SPILLING_H

#include <stdbool.h>
#include <stdint.h>

#include "exec/execution.h"
#include "seal/seal.h"

struct spilling;

/* Borrows all. 0 or -ENOMEM. */
int spilling_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		 struct spilling **ret) WARN_UNUSED;
void spilling_free(struct spilling *sp);

struct spilling_result {
	uint64_t bytes; /* of memory that were given back */
	bool more;	/* its time was over, or what is left is in use: go on soon */
	bool young;	/* something is left that was changed a moment ago */
};

/*
 * Give back `bytes` of memory, or as much as can be in half a second. What was changed a moment ago, is open or mapped
 * stays.
 */
void spilling_run(struct spilling *sp, struct seal *seal, uint64_t bytes,
		  struct spilling_result *ret);

/*
 * Whether the directory had no room the last time. When it takes nothing, for this or another reason, it is left alone
 * for some seconds; or try again now, because something was removed there.
 */
bool spilling_is_full(const struct spilling *sp);
void spilling_try_again(struct spilling *sp);

/* Give up what takes long, from now on. */
void spilling_stop(struct spilling *sp);

#endif
