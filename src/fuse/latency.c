/* SPDX-License-Identifier: MIT */
/*
 * Counts of one thread and operation fill cache lines of their own. Read while they are counted, so a sum may miss
 * what happens just then; buckets and times of one operation may be one request apart.
 */
#include "fuse/latency.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util/cleanup.h"

struct cell {
	_Alignas(64) _Atomic uint64_t bucket[LATENCY_BUCKETS];
	_Atomic uint64_t sum_ns;
};

struct latency {
	unsigned int threads;
	unsigned int ops;
	struct cell *cells; /* owned; threads * ops */
};

int latency_new(unsigned int threads, unsigned int ops, struct latency **ret)
{
	_cleanup_(latency_freep) struct latency *l = calloc(1, sizeof(*l));
	size_t n = (size_t)threads * ops;

	if (!l)
		return -ENOMEM;
	l->cells = aligned_alloc(_Alignof(struct cell), n * sizeof(struct cell));
	if (!l->cells)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct cell *c = &l->cells[i];

		for (size_t b = 0; b < LATENCY_BUCKETS; b++)
			atomic_init(&c->bucket[b], 0);
		atomic_init(&c->sum_ns, 0);
	}
	l->threads = threads;
	l->ops = ops;
	*ret = TAKE_PTR(l);
	return 0;
}

void latency_free(struct latency *l)
{
	if (!l)
		return;
	free(l->cells);
	free(l);
}

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int bits = ns > 1 ? 64 - (unsigned int)__builtin_clzll(ns - 1) : 0;

	if (bits <= LATENCY_FIRST_SHIFT)
		return 0;
	return MIN_OF(bits - LATENCY_FIRST_SHIFT, (unsigned int)LATENCY_BUCKETS - 1);
}

/* No other thread writes: two moves, not a locked addition. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void latency_add(struct latency *l, unsigned int thread, unsigned int op, uint64_t ns)
{
	struct cell *c = &l->cells[(size_t)thread * l->ops + op];

	add(&c->bucket[bucket_of(ns)], 1);
	add(&c->sum_ns, ns);
}

void latency_read(const struct latency *l, unsigned int op, struct latency_sum *ret)
{
	*ret = (struct latency_sum){ 0 };
	for (unsigned int t = 0; t < l->threads; t++) {
		struct cell *c = &l->cells[(size_t)t * l->ops + op];

		for (size_t b = 0; b < LATENCY_BUCKETS; b++)
			ret->bucket[b] += atomic_load_explicit(&c->bucket[b], memory_order_relaxed);
		ret->sum_ns += atomic_load_explicit(&c->sum_ns, memory_order_relaxed);
	}
}
