/* SPDX-License-Identifier: MIT */
/*
 * The reconciliation of the ledger's files with the whole tree, behind the mount, when the ledger was not closed
 * cleanly. That walk also settles what a crash left of stubs. The executions themselves are there by then (restore.h).
 */
#ifndef EXEC_RECOVER_H
#define EXEC_RECOVER_H

#include "exec/execution.h"
#include "store/walk.h"

struct recover;

/*
 * What a crash left of files that were about to become stubs, or files again. The front knows who is at them just now.
 */
struct recover_upcalls {
	void *ctx; /* borrowed */
	/*
	 * Finish or undo it (stub_settle()), and tell the ledger if it is a stub. *ret_name: the blob, or "". -ESTALE, -ENOENT: it is
	 * gone; -EINVAL: the mark is damaged; -errno. NULL: there are no stubs.
	 */
	int (*settle_stub)(void *ctx, uint64_t ino, const struct handle *h,
			   struct blob_name *ret_name);
	/* All files are settled. */
	void (*settled)(void *ctx);
};

/* The row of a regular file that a walk found, as of now. */
void recover_describe_file(const struct ledger *ledger, const struct walk_entry *w, uint64_t number,
			   enum place place, struct ledger_file *f);

enum recover_how {
	RECOVER_SUMS,  /* the ledger was closed cleanly: only the executions' sums are missing */
	RECOVER_FILES, /* it was not: walk the tree, and the sums */
	RECOVER_LOST,  /* it has lost events since: all of its rows; the sums are right */
};

/* Set the ledger right, in a thread. Borrows all. -EBUSY: one is at it. */
int recover_files_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		      enum recover_how how, const struct recover_upcalls *up, struct recover **ret)
	WARN_UNUSED;
/*
 * A file that gets another name while a walk goes on may be missed by it, and then its row would go, and with the last
 * row of a blob the blob. So whoever gives names to what has one (rename, link) says so before; and after it
 * whether a walk may have missed something that recover_report() was not told of, or failed to tell: then it starts
 * again. Until all of them are through it does not end. In between recover_is_walking() tells whether to report.
 */
void recover_name_begin(struct exec_table *t);
bool recover_is_walking(struct exec_table *t);
int recover_report(struct ledger *ledger, const struct recover_upcalls *up,
		   const struct walk_entry *w, uint64_t number, enum place place) WARN_UNUSED;
void recover_name_end(struct exec_table *t, bool missed);

/* Stops it if it is still at it: the ledger then is not clean, and the next start does it again. */
void recover_files_free(struct recover *r);

#endif
