/* SPDX-License-Identifier: MIT */
/*
 * The threads of a process, as /proc shows them: of one that does not answer, whatever it is at.
 */
#ifndef TAKEOVER_THREADS_H
#define TAKEOVER_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Threads that are looked at. Source: 64 serve requests at most (option threads=), a dozen do the rest. */
#define THREADS_LOOK_MAX 96

struct thread_state {
	pid_t tid;
	char name[16]; /* source: TASK_COMM_LEN */
	char state; /* R runs or would, S sleeps, D waits in the kernel and cannot be killed, T stopped, t traced, Z gone */
	uint64_t switches; /* so often it has given up, or lost, its CPU */
	uint64_t cpu_ticks;
	uint64_t blocked; /* signals; that of number N is bit N - 1 */
	bool traced;	  /* somebody debugs it */
	char wchan[32];	  /* where in the kernel; "" if that is not to be seen */
};

/* Those of `pid`, up to `max`: how many. */
size_t threads_look(pid_t pid, struct thread_state *ret, size_t max);

#endif
