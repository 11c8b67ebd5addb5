/* SPDX-License-Identifier: MIT */
/*
 * Why a process that answers nobody is not to be killed for that: by what its threads were at when the first answer was
 * missed, and are at now. Knows no clock, no process, nor /proc.
 */
#ifndef TAKEOVER_EXCUSE_H
#define TAKEOVER_EXCUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/threads.h"

/*
 * Who would run and had less than this part of the time, has not been let run. Source: one that loops has, beside a dozen
 * others, more; and with less a machine is of no use to anybody.
 */
#define EXCUSE_CPU_PART 20

/* The threads of a process at one time. */
struct sight {
	int64_t mono_ns;
	size_t count;
	struct thread_state threads[THREADS_LOOK_MAX];
};

struct excuse_upcalls {
	void *ctx;
	/* It is at a request. */
	bool (*serves)(void *ctx, pid_t tid);
	/* It is one of those that read and answer requests; others may be without a CPU for ever while these hang. */
	bool (*is_reader)(void *ctx, const struct thread_state *thread);
	/* It may wait for answers of the same process. */
	bool (*may_hang)(void *ctx, pid_t tid);
};

/*
 * In words, for the log and the service manager, the same pointer for the same; NULL: there is none. `self` has looked: that it
 * runs is none.
 */
const char *excuse_find(const struct sight *before, const struct sight *now, pid_t self,
			const struct excuse_upcalls *up);

/* A thread that the kernel does not let go: nothing else is asked. NULL: none. */
const char *excuse_of_dying(const struct sight *now, const struct excuse_upcalls *up);

#endif
