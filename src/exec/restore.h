/* SPDX-License-Identifier: MIT */
/*
 * Start: the table of executions from the top of the tree and the ledger, before the mount answers. Their files are
 * looked at behind it (recover.h).
 */
#ifndef EXEC_RESTORE_H
#define EXEC_RESTORE_H

#include "exec/execution.h"

struct restore;

/*
 * Fill the table, in threads: somebody may wait for it, and has other things to do meanwhile, also with the table, but not
 * with the tree. Looks at the top of the tree only; `clean`: the ledger was closed in order. Borrows all. 0 or -errno.
 */
int restore_begin(struct exec_table *t, const struct store *store, struct ledger *ledger,
		  bool clean, struct restore **ret) WARN_UNUSED;
/* Wait until that is done, and free it. 0 or -errno. NULL: nothing was begun, 0. */
int restore_end(struct restore *rs) WARN_UNUSED;

/* Both. */
int restore_executions(struct exec_table *t, const struct store *store, struct ledger *ledger,
		       bool clean) WARN_UNUSED;

#endif
