/* SPDX-License-Identifier: MIT */
/*
 * How many threads read /dev/fuse. As few as will do: the kernel wakes those who wait in turn, so with one
 * client and several readers each request would wake another sleeping thread, on another CPU, whose caches are
 * cold; while one reader that has just answered finds the next request without being woken, or is woken where
 * it ran. More are called while requests are found waiting, or when all readers are held up in theirs.
 *
 *                 requests found waiting, all held up
 *      RESTING ------------------------------------------> READING
 *         ^                                                   |
 *         +----------------- fewer would do ------------------+
 *
 * Threads are numbered from 0; those below `wanted` read, the others rest. Knows nothing of FUSE.
 */
#ifndef FUSE_READERS_H
#define FUSE_READERS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct readers;

/* For `max` threads at most. 0 or -errno. */
int readers_new(unsigned int max, struct readers **ret) WARN_UNUSED;

/* Starts the thread that looks after those that are held up. 0 or -errno. */
int readers_watch(struct readers *r) WARN_UNUSED;

/* After readers_stop(), when no thread uses it any more. readers_free(NULL) is a no-op. */
void readers_free(struct readers *r);
static inline void readers_freep(struct readers **r)
{
	readers_free(*r);
}

/* Rest until thread `self` is wanted. false: stopped. */
bool readers_turn(struct readers *r, unsigned int self) WARN_UNUSED;

/*
 * Thread `self` has a request, which it waited for from `asked_mono_ns` on, and is done with it. Between the two it
 * counts as busy; the latter returns for how long, in nanoseconds.
 */
void readers_begin(struct readers *r, unsigned int self, int64_t asked_mono_ns);
int64_t readers_end(struct readers *r, unsigned int self);

/* All rest for ever, each when it is done with the request that it has. */
void readers_stop(struct readers *r);

/* Whether thread `self` has one. */
bool readers_is_busy(const struct readers *r, unsigned int self);

/* Threads that read now. */
unsigned int readers_wanted(const struct readers *r);

#endif
