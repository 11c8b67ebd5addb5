/* SPDX-License-Identifier: MIT */
/*
 * Memory that is there before it is used: the first touch of a page is a page fault, 0.2 to 0.5 us, and 11 to 17 where page tables
 * are software; 6 there even if the page is known to the process already. A worker has three hundred such at its start, and a
 * quarter of a million if it finds a million inodes.
 */
#ifndef TAKEOVER_WARM_H
#define TAKEOVER_WARM_H

#include <stdatomic.h>
#include <stdint.h>

#include "takeover/keep.h"

/*
 * Before a fork, while there is one thread: what the calling process has of its own, program, libraries and data, which the next one
 * will have. For that one opens no file: its descriptors are others', who may close them.
 */
void warm_note(void);

/*
 * All that was noted; and of the calling thread's stack and heap as much as a worker takes at its start. Ends early, as the next one,
 * once *stop is not 0.
 */
void warm_process(const _Atomic int32_t *stop);

/* What is kept, whoever writes to it meanwhile. */
void warm_keep(const struct keep *k, const _Atomic int32_t *stop);

#endif
