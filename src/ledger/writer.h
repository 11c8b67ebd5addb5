/* SPDX-License-Identifier: MIT */
/*
 * The writer thread: takes batches from the queue and applies each in one transaction. It owns the
 * writing connection; nobody else touches it while the thread runs.
 */
#ifndef LEDGER_WRITER_H
#define LEDGER_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/db.h"
#include "ledger/ledger.h"
#include "ledger/queue.h"
#include "util/macro.h"

struct writer;

struct writer_start {
	struct db *db;	     /* prepared; becomes the writer's on success */
	struct queue *queue; /* borrowed until writer_free() */
	uint64_t next_number;
	bool agrees; /* the rows agree with the tree: found clean */
};

/* Start the thread. Returns 0, -ENOMEM, -EAGAIN. On failure the connection stays the caller's. */
int writer_new(const struct writer_start *start, struct writer **ret) WARN_UNUSED;

/*
 * Apply what is queued, record a clean end if the rows agree with the tree, end the thread, close
 * the connection. No reading connection may be open: the last one empties the log. If the disk
 * refuses for longer than the queue's patience, what is left is lost and the ledger is not clean.
 */
void writer_free(struct writer *w);

/*
 * Likewise, but nothing is recorded nor emptied, which would wait for the disk. Whether the rows agree with the tree.
 */
bool writer_leave(struct writer *w) WARN_UNUSED;

/* Fill in stubs_gone and agrees, as of the last commit. Any thread. */
void writer_stats(struct writer *w, struct ledger_stats *ret);

DEFINE_CLEANUP(struct writer *, writer_free)

#endif
