/* SPDX-License-Identifier: MIT */
/*
 * Names that are gone, or may be, and that the kernel has not been told of: written down where they outlive the worker
 * (takeover/keep.h), so that the next one tells it. Not thread-safe: notify.c's lock.
 */
#ifndef FUSE_UNTOLD_H
#define FUSE_UNTOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "takeover/keep.h"
#include "util/macro.h"

/* Names at a time. Source: an execution has one directory, and seldom more flat files than this; 1.1 MB if all are used. */
#define UNTOLD_MAX 4096

struct untold;

/* See takeover/format.h. */
uint64_t untold_layout(void);

/* keep: borrowed; if it is not shared, nothing is written down. What the last worker has left is there. 0 or -ENOMEM. */
int untold_new(struct keep *keep, struct untold **ret) WARN_UNUSED;
void untold_free(struct untold *u);

/* Write a name down, before it goes. 0: there is no room, which is remembered; or what untold_told() takes. */
uint32_t untold_add(struct untold *u, uint64_t nodeid, const char *name);
/* The kernel knows; or the name has not gone. 0: nothing. */
void untold_told(struct untold *u, uint32_t note);

/* What the last worker has left, one after the other from *note = 0 on. False: that was all. The name is borrowed. */
bool untold_next(const struct untold *u, uint32_t *note, uint64_t *ret_nodeid,
		 const char **ret_name);
/* Whether there were more names than room since this was last asked: then nobody knows all of them. */
bool untold_overflowed(struct untold *u);

#endif
