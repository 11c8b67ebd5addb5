/* SPDX-License-Identifier: MIT */
/*
 * Reconcile: make the file rows agree with what a walk of the tree has seen, while events go on.
 * Called by the writer inside its transaction, in the order of the events; its state is rolled
 * back with it.
 */
#ifndef LEDGER_RECONCILE_H
#define LEDGER_RECONCILE_H

#include <stdint.h>

#include "ledger/db.h"
#include "ledger/ledger.h"
#include "util/macro.h"

/* Forget an earlier walk, and which files are stubs. */
int reconcile_begin(struct db *db) WARN_UNUSED;

/* The walk found a file. */
int reconcile_seen(struct db *db, const struct ledger_file *f) WARN_UNUSED;

/* Remove the rows of files that nobody has named since the beginning. */
int reconcile_end(struct db *db) WARN_UNUSED;

/* ---- while it runs, the other events are told as well ---- */

int reconcile_put(struct db *db, uint64_t ino) WARN_UNUSED;
int reconcile_gone(struct db *db, uint64_t ino) WARN_UNUSED;
int reconcile_size(struct db *db, uint64_t ino, uint64_t size_bytes) WARN_UNUSED;
int reconcile_move(struct db *db, uint64_t ino, uint64_t execution) WARN_UNUSED;
int reconcile_activity(struct db *db, uint64_t ino, int64_t activity_ns) WARN_UNUSED;

/* An execution is (again) there. */
int reconcile_execution_put(struct db *db, uint64_t number) WARN_UNUSED;

/* An execution and its files were released. Before its rows are removed. */
int reconcile_released(struct db *db, uint64_t number) WARN_UNUSED;

#endif
