/* SPDX-License-Identifier: MIT */
/*
 * The table of executions, for the modules of this directory only.
 */
#ifndef EXEC_EXEC_TABLE_H
#define EXEC_EXEC_TABLE_H

#include "exec/execution.h"

struct exec_table {
	/* Constant. */
	const struct store *store; /* borrowed */
	struct trash *trash;	   /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	struct exec_config config; /* limits and ttl_ns: as they were at the start */
	struct exec_upcalls up;

	/* As they are now: exec_tune(). */
	_Atomic int64_t ttl_ns;
	_Atomic uint64_t limit_bytes;
	_Atomic uint64_t limit_files;

	struct lock lock;	    /* rank LOCK_EXEC_TABLE */
	struct execution **buckets; /* lock; owned */
	uint64_t nbuckets;	    /* lock; a power of two */
	uint64_t count;		    /* lock; objects in the table */
	struct execution *none;	    /* constant; owned, see exec_none() */

	_Atomic uint64_t next_number;
	_Atomic uint64_t active; /* executions that are ACTIVE */

	/* Of walks that set the ledger right (recover.c), and what they may miss. */
	_Atomic uint32_t walks; /* one at a time */
	_Atomic uint32_t names_changing;
	_Atomic uint64_t names_missed;
};

/* What the ledger has before the ID of a LIFETIME_EXTERNAL, which may be that of another execution, too. */
#define EXEC_ROW_EXTERNAL RULE_N8N "/"

/* It has so many bytes now, as the rows say, not `before`. */
void exec_correct_bytes(struct execution *e, int64_t before, uint64_t bytes);

/* Write the whole row. The caller holds e->lock. */
void exec_save_locked(struct exec_table *t, struct execution *e);

/* VIRTUAL to ACTIVE if it is not. The caller holds e->lock. */
void exec_activate_locked(struct exec_table *t, struct execution *e, const struct ledger_owner *by);

/* What a release of it would say. The caller holds e->lock. */
void exec_describe_locked(struct exec_table *t, struct execution *e, struct ledger_release *ret);

/* ACTIVE to VIRTUAL once no name is left. The caller holds e->lock. */
void exec_deactivate_locked(struct exec_table *t, struct execution *e, enum ledger_reason reason);

/*
 * MOVING: nobody enters from now on. Returns whether nobody is inside; if somebody is, the caller goes back by
 * exec_decide_locked(), which wakes those who wait. The caller holds e->lock.
 */
bool exec_close_locked(struct execution *e) WARN_UNUSED;
void exec_decide_locked(struct execution *e, enum exec_state state);

/* Take it out of the table: the ID is free for a new object. */
void exec_table_remove(struct exec_table *t, struct execution *e);

/* A hash of IDs and names that spreads alike ones over all bits. */
uint64_t exec_hash(const char *text);

/* The coarse monotonic clock that activity is counted in. */
int64_t exec_now_mono_ns(void);
/* For who reads it: what the wall clock would have said then. */
int64_t exec_mono_to_real_ns(int64_t mono_ns);
/* The last activity in the ledger's time. */
int64_t exec_activity_ns(struct exec_table *t, struct execution *e);

#endif
