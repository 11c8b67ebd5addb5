/* SPDX-License-Identifier: MIT */
/*
 * The stacks of a process's threads, told by themselves: each is interrupted by a signal, and its handler writes the
 * addresses down, in memory that guardian and workers share. So it is seen what a thread waits for that sleeps, in a lock or
 * elsewhere, and where one is that loops. Who waits in the kernel and cannot be killed, or is stopped, tells nothing.
 */
#ifndef TAKEOVER_STACKS_H
#define TAKEOVER_STACKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/threads.h"
#include "util/macro.h"

/* Callers that are told of. Source: requests have a dozen. */
#define STACKS_DEPTH_MAX 24

/* How long threads may take to tell. Source: a thousand times what it takes; who loops runs, who sleeps is woken. */
#define STACKS_WAIT_NS (300 * NS_PER_MS)

struct stacks;

/* Before the first worker is forked. 0 or -ENOMEM. Never given back: a thread may still be writing. */
int stacks_new(struct stacks **ret) WARN_UNUSED;

/* In the process that is to tell: its threads, those to come as well, obey the signal. */
void stacks_obey(struct stacks *s);

/* Have these threads of `pid`, n of them, tell: returns when they have, or some cannot. */
void stacks_collect(struct stacks *s, pid_t pid, const struct thread_state *threads, size_t n);

/* What the thread has told: how many addresses, the innermost first. */
size_t stacks_of(const struct stacks *s, pid_t tid, uintptr_t ret[STACKS_DEPTH_MAX]);

#endif
