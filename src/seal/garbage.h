/* SPDX-License-Identifier: MIT */
/*
 * Blobs that nobody is a stub of any more. A blob is needed while a row of the ledger names it, or it is pinned.
 *
 * That counts only while the ledger agrees with the tree: after a crash, not before the walk behind the mount has
 * ended.
 */
#ifndef SEAL_GARBAGE_H
#define SEAL_GARBAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "store/blob.h"
#include "util/task.h"

struct garbage {
	uint64_t blobs; /* there are, with the garbage */
	uint64_t bytes; /* what they take on the filesystem */
	uint64_t garbage_blobs;
	uint64_t garbage_bytes;
	uint64_t removed_blobs;
	uint64_t
		pinned_blobs; /* that no row names, and that somebody has for the moment: look again */
};

/*
 * Count, and with `remove` remove what is garbage. How far it is can be seen in `tasks` (may be NULL). 0, -EAGAIN: the ledger does not agree with the tree yet, then
 * only blobs and bytes are told; -errno.
 */
int garbage_collect(struct blobs *blobs, struct ledger *ledger, bool remove, struct tasks *tasks,
		    struct garbage *ret) WARN_UNUSED;

#endif
