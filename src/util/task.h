/* SPDX-License-Identifier: MIT */
/*
 * How far something is that takes a while, for others to look at: who works says what it does, of how much, and counts.
 * Whoever wants to know reads it at any time. No locks, no memory: a count is one relaxed addition, and what finds all
 * places taken is simply not told of.
 */
#ifndef UTIL_TASK_H
#define UTIL_TASK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Told of at a time, at most. Source: more than anybody waits for; each is a cache line. */
#define TASKS_MAX 8

/* Zeroed: nothing is under way. */
struct task {
	_Atomic(const char *) name; /* constant text; NULL: the place is free */
	_Atomic(const char *) unit; /* of what; constant text */
	_Atomic uint64_t done;
	_Atomic uint64_t whole; /* about how much there is; 0: not known */
	_Atomic int64_t begin_mono_ns;
};

struct tasks {
	struct task at[TASKS_MAX];
};

/* What one is at a moment. While another takes its place, fields may be of either. */
struct task_view {
	const char *name;
	const char *unit;
	uint64_t done;
	uint64_t whole;
	int64_t took_ns;
};

/* NULL: all places are taken, or `t` is NULL; the other calls do nothing with that. */
struct task *task_begin(struct tasks *t, const char *name, const char *unit, uint64_t whole);
void task_end(struct task *task);

static inline void task_add(struct task *task, uint64_t n)
{
	if (task)
		atomic_fetch_add_explicit(&task->done, n, memory_order_relaxed);
}

/* The i-th place, i below TASKS_MAX. False: it is free. */
_Bool task_look(const struct tasks *t, size_t i, struct task_view *ret);

#endif
