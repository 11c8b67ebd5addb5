/* SPDX-License-Identifier: MIT */
/*
 * What the watchdog (takeover/watchdog.h) has to know of the daemon that it watches.
 */
#ifndef WATCHED_H
#define WATCHED_H

#include "daemon.h"
#include "takeover/watchdog.h"

/*
 * A watchdog for d, which is prepared, not built, and is to live as long; *ret NULL if none is wanted. One that cannot be had
 * was logged. `single`: without a guardian.
 */
void watched_begin(struct daemon *d, bool single, struct watchdog **ret);

#endif
