/* SPDX-License-Identifier: MIT */
/*
 * The worker's own side of guardian.h. For src/takeover alone; what all others call in a worker is declared in guardian.h.
 */
#ifndef TAKEOVER_WORKER_H
#define TAKEOVER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/guardian.h"
#include "util/macro.h"

/*
 * The calling process, forked by `guardian`, is its worker number `generation` from now on: it does what the plan says, in a thread
 * of its own, and exits with the status that comes of that.
 */
NORETURN void worker_begin(const struct guardian_plan *plan, unsigned int generation,
			   pid_t guardian);

/* Likewise, but it waits until it is told the number: takeover/spare.h. */
NORETURN void worker_wait(const struct guardian_plan *plan, pid_t guardian);

/*
 * `err`, of errno(3), keeps a worker from beginning, for whom everybody has waited since `start_mono_ns`: whether that is to be tried
 * again, which is after a moment. Without one the mount ends, and with it what a memory store has.
 */
bool worker_is_to_be_tried_again(int err, int64_t start_mono_ns);

#endif
