/* SPDX-License-Identifier: MIT */
/*
 * A worker in advance. It is forked while another one serves, has its memory there (takeover/warm.h) and waits; when that one
 * dies, it is woken and goes on at once: for all that is done before, nobody waits. Without one a worker is forked then.
 *
 * The guardian's side. For src/takeover alone.
 */
#ifndef TAKEOVER_SPARE_H
#define TAKEOVER_SPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/guardian.h"

struct worker_area;

struct spare {
	const struct guardian_plan *plan; /* borrowed */
	pid_t pid;			  /* 0: there is none */
	int pidfd;			  /* owned, kept; -1 */
	int64_t due_mono_ns;		  /* then it is to be made; INT64_MAX: not */
	bool alone;			  /* nobody watches it yet: there can be no pidfd */
};

#define SPARE_NONE(plan_) ((struct spare){ .plan = (plan_), .pidfd = -1, .due_mono_ns = INT64_MAX })

/* A worker serves that can be replaced: one is to be made for it, soon, if there is none. */
void spare_want(struct spare *s);

/* Make it if it is due. Fails silently: it is tried again later. */
void spare_look(struct spare *s);

/* Whether it is there, and has its memory. */
bool spare_is_ready(const struct spare *s);

/*
 * Likewise, and it will be there until it is killed: it has all descriptors that the worker has. One that is not ready would say that
 * it is when there is another one.
 */
bool spare_holds(const struct spare *s);

/* It was not to be watched when it was made: now. */
void spare_watch(struct spare *s);

/* Its descriptor tells that it has gone, killed by somebody: there will be another one, later. */
void spare_gone(struct spare *s);

/*
 * It is worker number `generation` from now on; *ret_pidfd, owned, kept. The caller has cleared what the last one had said. 0: there
 * is none, or it is not ready.
 */
pid_t spare_take(struct spare *s, unsigned int generation, int *ret_pidfd);

/* To the one of the program before, which holds the descriptors of a worker that has died: see SPARE_CLOSES. */
void spare_tell_holder(struct worker_area *area);

/* Kill it, and wait for that: it has all descriptors. */
void spare_end(struct spare *s);

#endif
