/* SPDX-License-Identifier: MIT */
/*
 * What another batonfs must know to go on with a mount, besides the areas of the keep: KEEP_HANDOVER has records, each
 * ended by a NUL, the last one empty:
 *
 *     version=0.1.0
 *     mountpoint=/data/tmp
 *     option=1 3 ttl 30m           where it was said (enum config_from), the line there, name, value
 *     store.fd=5                   descriptors, which are kept
 *     ...
 *
 * Records that a program does not know it leaves out, so there may be more of them in newer ones. Written by the guardian,
 * of which the programs take turns: nobody else writes to the area.
 */
#ifndef DESCRIPTION_H
#define DESCRIPTION_H

#include <stdbool.h>

#include "takeover/handover.h"
#include "upgrade.h"
#include "util/macro.h"

/* Of the mount that u's daemon has, after `generation` workers. 0, -E2BIG. */
int description_write(struct upgrade *u, unsigned int generation) WARN_UNUSED;

/*
 * The one in u->daemon->keep, into the rest of *u and its daemon: the configuration, the mountpoint, the store (its
 * descriptors, not yet store_adopt()ed). 0, -EINVAL and *why.
 */
int description_read(struct upgrade *u, unsigned int *ret_generation, struct handover_reason *why)
	WARN_UNUSED;

#endif
