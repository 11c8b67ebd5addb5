/* SPDX-License-Identifier: MIT */
/*
 * KEEP_WORKER: what a worker and the guardian tell each other. For src/takeover alone.
 */
#ifndef TAKEOVER_AREA_H
#define TAKEOVER_AREA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "takeover/handover.h"
#include "takeover/keep.h"

#define MAY_HANG_MAX 4

/* `go` to and from the holder: close all that is not kept. */
#define SPARE_CLOSES (-1)
#define SPARE_HAS_CLOSED (-2)

struct worker_area {
	int32_t said_fd;     /* eventfd: something here is new */
	_Atomic int32_t tid; /* of the thread whose death tells the worker's */
	_Atomic bool ready;
	_Atomic bool replaceable;
	_Atomic bool settled;
	_Atomic bool ended;
	int32_t result;		      /* if it has */
	_Atomic int32_t signal;	      /* that it dies of; 0: none that it could tell of */
	_Atomic int64_t died_mono_ns; /* the last worker; 0: that has been settled */
	_Atomic int64_t waited_ns;    /* from deaths until all was settled, so far */
	_Atomic uint32_t nhang;
	_Atomic int32_t hang[MAY_HANG_MAX]; /* thread ids */

	/* An upgrade: see handover.h */
	_Atomic uint32_t asked;	   /* so often */
	_Atomic uint32_t covered;  /* of these, when the last check began: it is for them */
	_Atomic uint32_t answered; /* of these; written after what follows */
	_Atomic uint32_t done;	   /* of these, by an upgrade; later ones: see `reason` */
	_Atomic bool leave;	   /* the worker is to */
	_Atomic bool left;	   /* and it has */
	struct handover_reason reason;

	_Atomic uint32_t hung; /* workers that had fallen silent and were killed */
	_Atomic bool ending;   /* the mount ends: systemd is to be told */

	/* Who waits to be a worker: see spare.h */
	_Atomic int32_t spare_tid; /* of its thread that does; 0: there is none yet */
	_Atomic bool spare_warm;   /* all of its memory is there */
	_Atomic uint32_t number;   /* of the worker that it is, when it goes */
	_Atomic int32_t
		go; /* a futex: the thread of those that is to go, or one of those below; 0: wait */

	/* Another program has come in the guardian's place while a worker serves: see handover.h. 0: there is none. */
	int32_t serving;
	int32_t serving_pidfd;
	int32_t serving_thread; /* pidfd; -1 */
	int32_t holder; /* who waited, of the program before: has the worker's descriptors */
	int32_t holder_pidfd;
	int32_t signal_fd;

	/* An upgrade: the request that has asked last, written after the number that it had of all that asked. */
	_Atomic uint32_t asker_number;
	_Atomic uint64_t asker;

	_Atomic uint32_t ledger; /* enum ledger_left, from worker to worker */
};

static inline struct worker_area *worker_area(const struct keep *keep)
{
	return keep_area(keep, KEEP_WORKER);
}

/* Whether the death of this thread is not waited for: guardian_may_hang(). */
static inline bool worker_area_may_hang(const struct worker_area *area, int32_t tid)
{
	for (uint32_t i = 0; i < MAY_HANG_MAX && i < atomic_load(&area->nhang); i++) {
		if (atomic_load(&area->hang[i]) == tid)
			return true;
	}
	return false;
}

/* To the guardian: look at the area. */
void worker_area_say(const struct worker_area *area);

#endif
