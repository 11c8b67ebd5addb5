/* SPDX-License-Identifier: MIT */
/*
 * How long requests took, by operation: from the moment a thread has read one to the moment it is ready for the next,
 * the answer included. Each thread has counts of its own, which it alone changes, so that counting is two plain
 * additions and shares no cache line with anybody; who asks sums them up.
 *
 * Bucket i has what took at most 2^(10 + i) ns, the last one everything longer.
 */
#ifndef FUSE_LATENCY_H
#define FUSE_LATENCY_H

#include <stdint.h>

#include "util/macro.h"

/* 1 us to 4.3 s, and beyond. Source: an answer costs some us, and nobody waits for seconds but for a sick disk. */
#define LATENCY_FIRST_SHIFT 10
#define LATENCY_BUCKETS 24

struct latency;

struct latency_sum {
	uint64_t bucket[LATENCY_BUCKETS];
	uint64_t sum_ns;
};

/* 0 or -ENOMEM. */
int latency_new(unsigned int threads, unsigned int ops, struct latency **ret) WARN_UNUSED;
void latency_free(struct latency *l);
static inline void latency_freep(struct latency **l)
{
	latency_free(*l);
}

/* By the thread of that number only. */
void latency_add(struct latency *l, unsigned int thread, unsigned int op, uint64_t ns);

/* Of all threads together. */
void latency_read(const struct latency *l, unsigned int op, struct latency_sum *ret);

#endif
