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
 * Whether threads of the worker `pid`, which has been killed or ends, are left whose death is to be waited for. Those that are
 * do not wait for a CPU long from now on.
 */
bool ending_has_threads(const struct worker_area *area, pid_t pid);

#endif
