/* SPDX-License-Identifier: MIT */
/*
 * Start: the table of executions from the top of the tree and the ledger, before the mount answers. Their files are
 * looked at behind it (recover.h).
 */
#ifndef EXEC_RESTORE_H
#define EXEC_RESTORE_H

#include "exec/execution.h"

/*
 * Fill the table. Looks at the top of the tree only; `clean`: the ledger was closed in order. 0 or -errno.
 */
int restore_executions(struct exec_table *t, const struct store *store, struct ledger *ledger,
		       bool clean) WARN_UNUSED;

#endif
