/* SPDX-License-Identifier: MIT */
/*
 * The judgement whether a process has fallen silent: somebody asks it (takeover/prober.h), and neither that nor anything
 * else is answered. Counts looks, not time: of a machine, or all of a container, that stood still, or was so busy that the
 * one who looks had no turn either, nothing is seen but one look. Knows no clock, and no process.
 */
#ifndef TAKEOVER_WATCH_H
#define TAKEOVER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Looks without an answer, one after the other, before it counts as silent: each a tenth of the time that is meant. */
#define WATCH_LOOKS 10

/* What is seen. */
struct watch_counts {
	uint64_t asked;	   /* by the probe */
	uint64_t answered; /* of these */
	uint64_t others;   /* anything that changes whenever something else was answered */
};

struct watch {
	struct watch_counts last;
	unsigned int looks; /* without an answer */
};

enum watch_says {
	WATCH_ANSWERED, /* something, since the last look */
	WATCH_IDLE,	/* nobody asks just now */
	WATCH_WAITING,	/* look again soon */
	WATCH_SILENT,
};

enum watch_says watch_look(struct watch *w, const struct watch_counts *now);

/* Begin anew: another process, or there was a reason. */
void watch_forgive(struct watch *w);

#endif
