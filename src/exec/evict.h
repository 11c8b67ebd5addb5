/* SPDX-License-Identifier: MIT */
/*
 * Making room: when the store is fuller than one mark, what has been idle longest goes, until it is emptier than
 * another. Executions as a whole, and the files of `_` one by one; never what is open, mapped or pinned. Where there is
 * a directory to spill to, nothing goes while its content can be moved there (exec/spilling.h).
 *
 * Owned by the reaper, whose thread looks; evict_grown() and the counters are for any thread.
 */
#ifndef EXEC_EVICT_H
#define EXEC_EVICT_H

#include "exec/execution.h"
#include "exec/reaper.h"

struct evict;

/* Borrows all. marks: high is not set: nothing goes, but content may be spilled. 0 or -ENOMEM. */
int evict_new(struct exec_table *t, const struct store *store, struct ledger *ledger,
	      const struct room_marks *marks, struct evict **ret) WARN_UNUSED;
void evict_free(struct evict *ev);

/* Others from now on. For the thread that looks. */
void evict_set_marks(struct evict *ev, const struct room_marks *marks);

/*
 * Look, and make room if it is needed; `full`: somebody was told ENOSPC, which counts as being above the high mark.
 * Returns when to look again, CLOCK_MONOTONIC, INT64_MAX if nothing is to go. Takes as long as deleting does.
 */
int64_t evict_look(struct evict *ev, const struct reaper_upcalls *up, bool full);

/*
 * Files have become so much larger. True: look now, and not when it was time to, because that would be late.
 */
bool evict_grown(struct evict *ev, uint64_t bytes);

/* Give up what takes long, from now on. Any thread. */
void evict_stop(struct evict *ev);

/* Whether evict_look() has anything to do with these marks. */
bool evict_is_wanted(const struct evict *ev, const struct room_marks *marks);

void evict_count(struct evict *ev, struct reaper_counts *ret);

#endif
