/* SPDX-License-Identifier: MIT */
/*
 * What only the front knows: who has a file open. Called from this layer's threads, which hold no lock but, for
 * `settle`, LOCK_SEALED.
 *
 *     written ---claim---> claimed ---settle(true)---> sealed
 *        ^-----opened for writing, cut, ...----'----------'
 */
#ifndef SEAL_UPCALLS_H
#define SEAL_UPCALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blob.h"
#include "store/handle.h"

/* A file whose content is being learned. Stays where it is from claim to settle; the front's, but for `sealed`. */
struct seal_claim {
	struct seal_claim *next;
	void *inode;
	bool broken; /* somebody may have written since */
	bool sealed; /* it was already when it was claimed */
};

struct seal_upcalls {
	void *ctx;
	/* Requests of clients so far: who works in the background makes way for them. Takes no lock. */
	uint64_t (*traffic)(void *ctx);
	/* Whether nobody has the file open for writing. */
	bool (*is_closed)(void *ctx, uint64_t ino, const struct handle *h);
	/* Whether somebody has it open. */
	bool (*is_open)(void *ctx, uint64_t ino, const struct handle *h);
	/*
	 * Claim a file whose content is to be learned. -EBUSY: somebody can write to it, by an open or a mapping;
	 * -ESTALE: it is gone, or nobody knows it. Every claim is settled.
	 */
	int (*claim)(void *ctx, uint64_t ino, const struct handle *h, struct seal_claim *ret);
	/*
	 * Let go of what is kept of a closed file, so that the next open finds anew where its content is. -EBUSY:
	 * somebody has it open. NULL: nothing is kept.
	 */
	int (*let_go)(void *ctx, uint64_t ino, const struct handle *h);
	/*
	 * Give the claim back. With `sealed`: what was learned holds from now on, until somebody opens it for
	 * writing; false if somebody may have written since it was claimed.
	 */
	bool (*settle)(void *ctx, struct seal_claim *claim, bool sealed);
	/*
	 * Make a claimed file a stub, and tell the ledger. The caller has seen since it was claimed that the content
	 * is the blob's, has the blob pinned, and has closed the file himself. -ECANCELED: somebody may have written
	 * since; -EBUSY: somebody has it open or mapped; -ESTALE: it has no name any more; -EEXIST: it is one
	 * already; -EMLINK: it has several names; or an error of stub_make(). In all cases it reads the same before
	 * and after, and the claim is still to be settled.
	 */
	int (*make_stub)(void *ctx, struct seal_claim *claim, const struct blob_name *name);
	/*
	 * Finish or undo what a crash, or a mistake, left of a stub (stub_settle()) while nobody else is at the file, and
	 * tell the ledger whether it is one. *ret_name: the blob, or "".
	 */
	int (*settle_stub)(void *ctx, uint64_t ino, const struct handle *h,
			   struct blob_name *ret_name);
};

#endif
