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
	/* Who waits for it, for the owner of the worker; NULL: nobody. */
	void (*done)(void *arg, int err, const uint8_t *hash);
	bool (*wanted)(void *arg); /* whether he still waits; NULL: yes. Called with a lock held */
	void *arg;
	uint32_t tries;	 /* so far, likewise */
	uint64_t number; /* likewise */
};

struct work;

struct work_config {
	uint32_t capacity; /* files that can wait */
	/* Of the thread, as setpriority(2) has it. Where it is not permitted, the thread runs like any other. */
	int niceness;
	bool idle; /* the idle policy where one() says so: runs when nobody else wants to. See work_hurry() */
	/* Requests of clients so far, which the thread makes way for; NULL: for nobody. With a lock held. See work_rest() */
	uint64_t (*traffic)(void *ctx);
	int64_t delay_ns; /* files are left alone for so long first; or see work_put_later() */
	void (*begin)(void *ctx); /* once, in the thread; NULL: nothing to do */
	void (*one)(void *ctx, const struct work_item *item);
	void (*dropped)(void *ctx,
			const struct work_item *item); /* still waited at the end; or NULL */
	void *ctx;
};

int work_new(const struct work_config *config, struct work **ret) WARN_UNUSED;

/* Begin: until then files wait. Once, or never; NULL: nothing to do. -errno. */
int work_start(struct work *w) WARN_UNUSED;

/*
 * End the thread after the file it is at, and drop what waits; afterwards work_put() takes nothing. For once, by one
 * thread; work_free() does it, too.
 */
void work_end(struct work *w);
void work_free(struct work *w);

/* Hand a file over; false if the queue is full, or at its end. Any thread. */
bool work_put(struct work *w, const struct work_item *item);

/* The same for in a while of its own; others go first. */
bool work_put_later(struct work *w, const struct work_item *item, int64_t delay_ns);

/*
 * For one(), of a worker of idle policy: where it takes no lock that others may want, it need not hurry, and runs when
 * nobody else wants to. With a lock on a busy machine they would wait for seconds until it has a turn; so it hurries
 * again before one() returns, at the latest. Not permitted everywhere; then it stays as it is.
 */
void work_hurry(struct work *w, bool hurry);

/*
 * For one(), between two pieces of what takes long; between two files it is done anyway. Now and then the thread looks
 * whether clients have made requests since, and if so, sleeps until they make none: not longer than in proportion to
 * what it has done, and the less the more files wait.
 */
void work_rest(struct work *w);

/* Take out one that waits and is not wanted any more: for whatever takes long. False: there is none. */
bool work_take_unwanted(struct work *w, struct work_item *ret);

/* Whether work_end() waits: for whatever takes long. */
bool work_is_ending(struct work *w);

#endif
