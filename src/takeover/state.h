/* SPDX-License-Identifier: MIT */
/*
 * What the guardian knows. For guardian.c and succession.c alone.
 */
#ifndef TAKEOVER_STATE_H
#define TAKEOVER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/area.h"
#include "takeover/guardian.h"
#include "takeover/spare.h"

struct guardian {
	const struct guardian_plan *plan;
	struct worker_area *area;
	int signal_fd;
	unsigned int generation;
	unsigned int bad;      /* of the last ones, in eighths of GUARDIAN_TRIES */
	int64_t start_mono_ns; /* of the present one */
	int64_t leave_mono_ns; /* by then it is to have left, or is killed; 0: not */
	int64_t collect_mono_ns; /* then what is left of the last ones is to be collected; 0: it was */
	bool hung;		 /* it had fallen silent, and was killed for that */
	bool closing;		 /* idle descriptors of the one before are still to be closed */
	bool leaving;		 /* it is to make room for another program */
	bool checked; /* there is another program, which is to come in this one's place */
	bool foreign; /* it is the program's before, which this one has come in the place of */
	int fetched;  /* what that had kept, before its end: 0 or -errno */
	int64_t warm_mono_ns; /* so long one that waits is waited for, for either */
	bool stopping;
	bool was_ready; /* one of them, perhaps of the program before */
	bool told_ready;
	uint32_t done_before;  /* area->done, before this program came */
	bool proven;	       /* a worker of this program has answered all that it found */
	unsigned int unproven; /* workers that died before that */
	pid_t pid;
	int pidfd;  /* of the process: readable when its last thread is gone */
	int thread; /* pidfd of its thread, -1: not known yet */
	bool gone;  /* that thread, before it had a pidfd */
	struct spare spare;
};

#endif
