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

struct spare {
	const struct guardian_plan *plan; /* borrowed */
	pid_t pid;			  /* 0: there is none */
	int pidfd;			  /* owned, kept; -1 */
	int64_t due_mono_ns;		  /* then it is to be made; INT64_MAX: not */
};

#define SPARE_NONE(plan_) ((struct spare){ .plan = (plan_), .pidfd = -1, .due_mono_ns = INT64_MAX })

/* A worker serves that can be replaced: one is to be made for it, soon, if there is none. */
void spare_want(struct spare *s);

/* Make it if it is due. Fails silently: it is tried again later. */
void spare_look(struct spare *s);

/* Its descriptor tells that it has gone, killed by somebody: there will be another one, later. */
void spare_gone(struct spare *s);

/*
 * It is worker number `generation` from now on; *ret_pidfd, owned, kept. The caller has cleared what the last one had said. 0: there
 * is none, or it is not ready.
 */
pid_t spare_take(struct spare *s, unsigned int generation, int *ret_pidfd);

/* Kill it, and wait for that: it has all descriptors. */
void spare_end(struct spare *s);

#endif
