/* SPDX-License-Identifier: MIT */
/*
 * The format of what outlives a program (takeover/keep.h): whether another one can go on with it. It is KEEP_FORMAT and
 * a hash of the sizes of everything in there, which each owner tells for itself (itable_layout(), ...), so that builds
 * that lay it out otherwise do not fit. A size does not show what a field or a flag means; so KEEP_DEFINITIONS is a hash
 * of the text of all definitions that are kept, and tests/lint/keep_format.py fails when it is not right any more:
 *
 *     what was meant before still means the same   (something new came at the end)   -> KEEP_DEFINITIONS only
 *     a program of before would be misunderstood                                      -> KEEP_FORMAT, too
 */
#ifndef TAKEOVER_FORMAT_H
#define TAKEOVER_FORMAT_H

#include <stdint.h>

#define KEEP_FORMAT "keep format 6,"

/* Written by tests/lint/keep_format.py --write. */
#define KEEP_DEFINITIONS "11ba7eb6a67c5964"

/* FNV-1a. Source: the constants of its 64-bit variant. */
static inline uint64_t layout_begin(void)
{
	return UINT64_C(0xcbf29ce484222325);
}

static inline uint64_t layout_add(uint64_t h, uint64_t n)
{
	return (h ^ n) * UINT64_C(0x100000001b3);
}

#endif
