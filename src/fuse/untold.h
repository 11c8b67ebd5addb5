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

/* What untold_add() says of one that there is no room for. */
#define UNTOLD_OVER UINT32_MAX

/*
 * Write a name down, before it goes. What untold_told() takes: if there is no room UNTOLD_OVER, which is remembered
 * until that is told; 0: nothing is written down.
 */
uint32_t untold_add(struct untold *u, uint64_t nodeid, const char *name);
/* The kernel knows; or the name has not gone. 0: nothing. */
void untold_told(struct untold *u, uint32_t note);

/* What the last worker has left, one after the other from *note = 0 on. False: that was all. The name is borrowed. */
bool untold_next(const struct untold *u, uint32_t *note, uint64_t *ret_nodeid,
		 const char **ret_name);
/* Whether the last worker has left more names than there was room for: then nobody knows all of them. */
bool untold_overflowed(const struct untold *u);
/* And the kernel asks for all names that it has. */
void untold_doubted(struct untold *u);

#endif
