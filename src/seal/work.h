/* SPDX-License-Identifier: MIT */
/*
 * A worker: a thread that looks at closed files one after the other, and the bounded queue to it. All memory is
 * taken when it is made, so a request can hand a file over at the price of a mutex, and of a system call if the
 * thread sleeps. A full queue drops: what is queued here is an opportunity, never an obligation.
 */
#ifndef SEAL_WORK_H
#define SEAL_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/handle.h"

/* A closed file. */
struct work_item {
	uint64_t ino; /* as the mount shows it */
	struct handle handle;
};

struct work;

struct work_config {
	uint32_t capacity; /* files that can wait */
	/*
	 * Of the thread: above others by so much (setpriority(2), -20 is the most), or 0 for the idle policy.
	 * Where it is not permitted, the thread runs like any other.
	 */
	int niceness;
	void (*begin)(void *ctx); /* once, in the thread; NULL: nothing to do */
	void (*one)(void *ctx, const struct work_item *item);
	void *ctx;
};

int work_new(const struct work_config *config, struct work **ret) WARN_UNUSED;

/* Ends the thread after the file it is at; what waits is dropped. */
void work_free(struct work *w);

/* Hand a file over; false if the queue is full. Any thread; holds no lock on return. */
bool work_put(struct work *w, const struct work_item *item);

/* Whether work_free() waits: for whatever takes long. */
bool work_is_ending(struct work *w);

#endif
