/* SPDX-License-Identifier: MIT */
/*
 * The end of a worker: its threads. For src/takeover alone.
 */
#ifndef TAKEOVER_ENDING_H
#define TAKEOVER_ENDING_H

#include <stdbool.h>
#include <sys/types.h>

#include "takeover/area.h"

/*
 * Whether it ends by itself, with a status that is to be known; which is known when its last thread has gone. Also if it never
 * began.
 */
bool ending_is_in_order(const struct worker_area *area);

/*
 * Whether threads of the worker `pid`, which has been killed or ends, are left that another worker must wait for: they may be in
 * a system call still, or it ends in order. Those that are do not wait for a CPU long from now
 * on. A worker's memory may take milliseconds to be given back: that is not waited for.
 */
bool ending_has_threads(const struct worker_area *area, pid_t pid, bool takes_long);

/*
 * Of a process that was killed, or ends by itself, and whose parent cannot be told yet: its status as waitpid(2) will tell it.
 * -1: it cannot be seen.
 */
int ending_status(pid_t pid);

#endif
