/* SPDX-License-Identifier: MIT */
/*
 * Moving the content of a closed file of a store in memory to the directory that it spills to: a blob is made there
 * (store/blob_away.h), and the file becomes its stub. Or the blob that several files share goes there. Knows one at a
 * time; which, and when, is exec/spilling.h's.
 *
 *     not in use --claim, copy, compare, fsync--> blob on the disk --make_stub--> the file's pages are given back
 *
 * Whoever opens the file meanwhile is not kept waiting: it stays where it is then. Killed between any two steps, the
 * file is whole: the blob is complete and on its disk before the file gets its mark (docs/sharing.md), and one without
 * a stub is garbage.
 */
#ifndef SEAL_SPILL_H
#define SEAL_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "seal/upcalls.h"
#include "store/store.h"

struct spill {
	const struct store
		*store; /* borrowed, like all the others; its blobs have a second directory */
	struct ledger *ledger;
	const struct seal_upcalls *up; /* with make_stub */
	copy_may_fn *may;	       /* before each piece that is read or copied */
	void *ctx;
	int64_t idle_since_real_ns; /* a file that was changed later stays */
};

struct spill_result {
	uint64_t bytes; /* of memory that were given back */
	bool refused; /* what is returned is the directory's error, as -ENOSPC or -EIO, and not the file's */
	bool young; /* -EBUSY, because it was changed a moment ago */
};

/*
 * 0; -ENODATA: nothing is to be gained (a stub already, small, or nearly all holes; or it has several names); -EBUSY:
 * somebody has it open or mapped, or it was changed a moment ago; -ESTALE: it is gone; -ECANCELED: may()
 * said no, or somebody opened it meanwhile; -errno. It reads the same before, after and meanwhile.
 */
int spill_file(const struct spill *s, uint64_t ino, const struct handle *h,
	       struct spill_result *ret) WARN_UNUSED;

/* The same for a blob that is in memory, and all its stubs. -ENODATA: it is away already. */
int spill_blob(const struct spill *s, const struct blob_name *name, struct spill_result *ret)
	WARN_UNUSED;

#endif
