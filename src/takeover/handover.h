/* SPDX-License-Identifier: MIT */
/*
 * An upgrade, between a worker and the guardian. Somebody asks, through a worker or by HANDOVER_SIGNAL to the guardian; the
 * guardian finds out whether the program that is there now could go on with what this one has; if so it executes that program in its
 * own place, with the keep and what is kept. The worker serves on, until a worker of the new program waits (takeover/spare.h):
 *
 *     worker --asks--> guardian: checks --refused, reason--> worker: answers
 *                      guardian: executes --> guardian: makes one that waits
 *     worker: ends what it is at, leaves <--leave--' '-----> worker: answers
 *
 * From when the guardian has executed the program on, the worker's descriptors are not the guardian's any more. What the worker keeps
 * then is fetched when it has ended, from the process that waited for it, which has the same: the holder.
 *
 * Without one that waits the worker leaves first, and the program is executed then.
 *
 * Who asked through the mount waits for an answer to a request. If the worker has left it is sent again to the next one,
 * which finds here what came of it.
 *
 * All who ask are counted. Who asks before the program is checked has what comes of that; who asks later may mean a program that
 * came after it: he waits for the end of that upgrade, when a worker has answered all that it found, and has another one.
 */
#ifndef TAKEOVER_HANDOVER_H
#define TAKEOVER_HANDOVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "takeover/keep.h"
#include "util/clock.h"
#include "util/macro.h"

/* To the guardian: try an upgrade. To a worker: the guardian has decided. */
#define HANDOVER_SIGNAL SIGUSR2

/*
 * How long a worker may take to end what it is at. Then it is killed, which loses nothing but that the next one looks
 * through the tree. Source: clients wait meanwhile; but for moving large contents, requests end within milliseconds.
 */
#define HANDOVER_LEAVE_NS (5 * NS_PER_S)

/* Why not, for one line to a person. */
struct handover_reason {
	char text[512];
};

enum handover_state {
	HANDOVER_UNDECIDED,
	HANDOVER_DONE,
	HANDOVER_REFUSED, /* or failed */
};

/* ---- in a worker ---- */

/* Ask, for the request of that number (0: none): as which one of all that ask. What comes of it is told by HANDOVER_SIGNAL. */
uint32_t handover_ask(struct keep *keep, uint64_t unique);

/*
 * As which one that request has asked, if it is the last that has: the kernel lets one after the other write. 0: not that it is known,
 * but it may have all the same, and can be asked again.
 */
uint32_t handover_asked(const struct keep *keep, uint64_t unique);

/* What came of that one; *ret if it was refused. */
enum handover_state handover_result(struct keep *keep, uint32_t number, struct handover_reason *ret)
	WARN_UNUSED;

/* Whether it is to leave; and that it has, to be said when there is nothing left to do but to end. */
bool handover_must_leave(struct keep *keep);
void handover_left(struct keep *keep);

/* How the ledger is left to the next worker, as that understands it; 0 at first. */
void handover_note_ledger(struct keep *keep, uint32_t left);
uint32_t handover_ledger(const struct keep *keep);

#endif
