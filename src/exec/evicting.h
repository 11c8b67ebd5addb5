/* SPDX-License-Identifier: MIT */
/*
 * Making room by an early end: what has been idle longest goes first, executions as a whole and the files of `_` one by one;
 * never what is open, mapped or pinned.
 *
 * Owned by evict.c; the counters are for any thread, all else for the reaper's.
 */
#ifndef EXEC_EVICTING_H
#define EXEC_EVICTING_H

#include <stdbool.h>

#include "exec/execution.h"
#include "exec/reaper.h"
#include "store/room.h"

/* What was used less than so long ago stays. Source: longer than writer and reader take to hand over a file. */
#define EVICTING_IDLE_NS (10 * NS_PER_MS)

struct evicting;

/* Borrows all. 0 or -ENOMEM. */
int evicting_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
		 struct evicting **ret) WARN_UNUSED;
void evicting_free(struct evicting *ev);

struct evicting_result {
	bool gone;   /* something has */
	bool young;  /* something is left that was used a moment ago */
	bool enough; /* what was needed is free */
};

/*
 * Let go until what is needed is free, or nothing is left that may go. Takes as long as deleting does. away: room in the
 * directory that is spilled to counts, too.
 */
void evicting_run(struct evicting *ev, const struct reaper_upcalls *up,
		  const struct room_excess *need, bool away, struct evicting_result *ret);

/* The evicted_* of these. */
void evicting_count(const struct evicting *ev, struct reaper_counts *ret);

#endif
