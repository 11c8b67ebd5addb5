/* SPDX-License-Identifier: MIT */
/*
 * Finding out who else has the content of a file, and making stubs of one blob of all that do. Knows one file at a time;
 * when and which, is share.h's.
 *
 * Two files are the same if their bytes are: hash and size only say whom to compare with. All of them are claimed
 * from before their bytes are looked at until they are stubs, so that a writer meanwhile is noticed.
 */
#ifndef SEAL_MERGE_H
#define SEAL_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "seal/upcalls.h"
#include "store/store.h"

/* Who may share with whom. */
enum share_scope {
	SHARE_OFF,
	SHARE_EXECUTION, /* files of the same execution */
	SHARE_OWNER,	 /* files of the same owner (uid) */
	SHARE_MOUNT,	 /* all */
};

struct merge {
	const struct store *store; /* borrowed, like all the others */
	struct ledger *ledger;
	const struct seal_upcalls *up;
	enum share_scope scope;
	bool (*may)(void *ctx); /* whether to go on; asked before each piece */
	/* Contents are read and copied, which may take as long as it likes; all else takes locks of the front's. */
	void (*hurry)(void *ctx, bool hurry);
	void *ctx;
};

struct merge_result {
	uint32_t stubs;	      /* files that became stubs */
	bool made;	      /* a blob was made */
	bool wasted;	      /* and nobody became its stub */
	uint64_t busy_ino;    /* whom somebody has open, the last one met; 0: nobody */
	struct handle busy;   /* that file */
	uint64_t saved_bytes; /* what they had and do not need any more, less the new blob */
};

/*
 * Share the content of a sealed file, of which the ledger's rows are committed (ledger_sync()). 0: it or another one is a stub now (*ret tells what was
 * done, and who was busy, also after an error). -ENODATA: there is no
 * other like it in scope, or it was not sealed; -EBUSY: somebody has it open or mapped, or the other one; -ENOSPC:
 * no room for the blob at the moment; -ECANCELED: may() said no, or it was written to; -ESTALE: it is gone; -errno.
 */
int merge_file(const struct merge *m, uint64_t ino, const struct handle *h,
	       struct merge_result *ret) WARN_UNUSED;

#endif
