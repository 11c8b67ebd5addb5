/* SPDX-License-Identifier: MIT */
/*
 * Another program comes in the guardian's place (takeover/handover.h): the guardian's part. For src/takeover alone.
 */
#ifndef TAKEOVER_SUCCESSION_H
#define TAKEOVER_SUCCESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "takeover/handover.h"
#include "takeover/state.h"

/* At the start of another program: to those who asked for it. It is done. */
void succession_done(struct guardian *g);

/* Somebody asks, or has: find out whether another program could go on, if it is time. */
void succession_ask(struct guardian *g);

/* What follows from that, when it is time. */
void succession_go_on(struct guardian *g);

/* Whether the worker's end makes room for another program; else it has ended for good, or died. */
bool succession_has_left(const struct guardian *g);

/* Put the program there, after the worker. Returns if that fails: it has been refused. */
void succession_replace(struct guardian *g);

/* The program before. Who still waits for the upgrade is told what became of it. Returns if that fails. */
void succession_go_back(struct guardian *g);

/* At the start of another program: a worker of the one before serves. */
void succession_adopt(struct guardian *g);

/* pidfd of who has the descriptors of that one; -1: nobody any more. And that he has gone, killed by somebody. */
int succession_holder(const struct guardian *g);
void succession_holder_gone(struct guardian *g);

/* That worker has ended: have what it had kept. 0 or -errno. */
int succession_fetch(struct guardian *g);

/* It has ended the mount. */
void succession_end(struct guardian *g);

#endif
