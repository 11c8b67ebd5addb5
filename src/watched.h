/* SPDX-License-Identifier: MIT */
/*
 * What the watchdog (takeover/watchdog.h) has to know of the daemon that it watches.
 */
#ifndef WATCHED_H
#define WATCHED_H

#include "daemon.h"
#include "takeover/watchdog.h"

/* Who serves the mount. */
enum watched_who {
	WATCHED_ALONE,	   /* the calling process */
	WATCHED_FIRST,	   /* workers, the first of which is to mount it */
	WATCHED_SUCCESSOR, /* a worker that somebody waits for */
};

/*
 * A watchdog for d, which is prepared, not built, and is to live as long; *ret NULL if none is wanted. One that cannot be had
 * was logged.
 */
void watched_begin(struct daemon *d, enum watched_who who, struct watchdog **ret);

#endif
