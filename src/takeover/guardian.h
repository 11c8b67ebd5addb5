/* SPDX-License-Identifier: MIT */
/*
 * The guardian: the process that stays. It starts a worker, which does everything, and another one when that dies,
 * until one ends by itself. It has what must outlive them: the descriptors, in one table with theirs, and the keep.
 *
 * A worker is forked, not executed: it has the program, the memory as it was before the first one, and the
 * descriptors. The C library knows nothing of such a fork, so a worker does all in a thread of its own.
 *
 * When batonfs is upgraded the guardian, too, becomes another program: takeover/handover.h.
 */
#ifndef TAKEOVER_GUARDIAN_H
#define TAKEOVER_GUARDIAN_H

#include <signal.h>
#include <stdbool.h>

#include "takeover/handover.h"
#include "takeover/keep.h"
#include "takeover/watchdog.h"
#include "util/clock.h"
#include "util/macro.h"

/*
 * Workers in a row that die too soon: before they have answered all that they found, or by themselves (not by SIGKILL)
 * within GUARDIAN_LIFE_NS of their start. Then it is given up: perhaps what they are asked, or do, kills them. Those that
 * are killed count for an eighth.
 */
#define GUARDIAN_TRIES 8
#define GUARDIAN_LIFE_NS NS_PER_S

/* Who falls silent within this time of his start, found out by the watchdog, counts as well, whole. */
#define GUARDIAN_HANG_NS (60 * NS_PER_S)

/*
 * Workers of a new program that die one after the other, and none has answered all that it found: then the program is
 * taken back. Source: one may be killed from outside.
 */
#define GUARDIAN_NEW_TRIES 2

struct guardian_plan {
	struct keep *keep; /* borrowed; shared */
	/* HANDOVER_SIGNAL, and those that end the mount, which are passed on to the worker; blocked. */
	const sigset_t *signals;
	unsigned int generation;   /* workers there were already, of another program; 0: none */
	struct watchdog *watchdog; /* borrowed; NULL: none */
	void *ctx;
	/* In a worker, number `generation` from 1 on. Its exit status. */
	int (*work)(void *ctx, unsigned int generation);
	/* In the guardian: the first worker is ready. */
	void (*ready)(void *ctx);
	/*
	 * In the guardian: can another program take this one's place? 0; -errno and *why. The worker goes on meanwhile; -EINTR: its
	 * pidfd says that it has died.
	 */
	int (*check)(void *ctx, int worker_pidfd, struct handover_reason *why);
	/* In the guardian: put it there, after that many workers. Returns only if that fails, with *why. */
	void (*replace)(void *ctx, unsigned int generation, struct handover_reason *why);
	/*
	 * In the guardian: this program's workers die. Put the one there whose place it has taken, as `replace`. NULL: there
	 * is none.
	 */
	void (*go_back)(void *ctx, unsigned int generation, struct handover_reason *why);
	bool is_back; /* this program has been put back so: what came of the upgrade is known */
	/* In the guardian: there is no worker, and there will be none. */
	void (*abandon)(void *ctx);
};

/*
 * Returns in the guardian only, when it is over: the exit status of the worker that ended, or -errno: of its end, none could
 * be started, or they die one after the other (-EIO). Single-threaded until then.
 */
int guardian_run(const struct guardian_plan *plan);

/* See takeover/format.h. */
uint64_t guardian_layout(void);

/* ---- in a worker ---- */

/* It is ready. `replaceable`: another one could take its place. */
void guardian_ready(struct keep *keep, bool replaceable);

/* For the log at debug: `what` is done, so long after the last worker's death, if there was one. */
void guardian_step(const struct keep *keep, const char *what);

/* It has answered all that it was asked so far. Cheap. */
void guardian_settled(struct keep *keep);

/* The worker begins to end the mount, which systemd is told by the guardian: it listens to the main process only. */
void guardian_ending(struct keep *keep);

/* It has unmounted and let go of all; nothing is left to be taken over. `result`: 0, or -errno of the end. */
void guardian_ended(struct keep *keep, int result);

/* How many have been killed so far that answered nobody. */
unsigned int guardian_hung(const struct keep *keep);

/* How long whoever asked has waited so far for a worker that died to be replaced and all that to be answered. */
int64_t guardian_waited_ns(const struct keep *keep);

/*
 * The calling thread may wait for answers of the next worker's when this one dies, in the kernel. Its death is not
 * waited for, so it does nothing there that could disturb. Four threads at most.
 */
void guardian_may_hang(struct keep *keep);

#endif
