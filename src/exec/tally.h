/* SPDX-License-Identifier: MIT */
/*
 * What a walk of the whole tree says of the executions: whose each file is, and how many files and bytes each has. The
 * sums are usually read from the ledger, which is quicker; they are counted here while that cannot be written, because
 * its disk is full.
 */
#ifndef EXEC_TALLY_H
#define EXEC_TALLY_H

#include "exec/execution.h"
#include "store/store.h"
#include "store/walk.h"

/* The tag that such a walk begins with: in the root, no execution. */
#define TALLY_ROOT_TAG ((uint64_t)PLACE_ROOT << TALLY_PLACE_SHIFT)

/*
 * A tag is the execution by its number in the table, and where its directory stands. Numbers are below 2^56: one a
 * microsecond for two thousand years.
 */
#define TALLY_PLACE_SHIFT 56

/* An entry's own execution number (0: none), its place, and the tag for what is below it. 0, -ENOMEM. */
int tally_classify(struct exec_table *t, const struct walk_entry *w, uint64_t *ret_tag,
		   uint64_t *ret_number, enum place *ret_place) WARN_UNUSED;

/*
 * Count all regular files and charge their executions with them, for the first time since the mount. What changes
 * meanwhile is counted twice or not at all: the reaper counts again when the rows are to be had. -ECANCELED: *stop was
 * set; -ENOMEM, -errno of walk(): nothing was charged.
 */
int tally_files(struct exec_table *t, const struct store *store, const _Atomic bool *stop)
	WARN_UNUSED;

#endif
