/* SPDX-License-Identifier: MIT */
/*
 * A sum of sizes that any thread adds to without a lock. Two sparse files have more than an int64_t holds, so it is kept
 * exactly, in 96 bits, and told as the nearest that there is. Between the two parts of an addition that carries somebody may
 * read the one without the other.
 */
#ifndef EXEC_SIZE_SUM_H
#define EXEC_SIZE_SUM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: 0. */
struct size_sum {
	_Atomic int64_t low;   /* modulo 2^64 */
	_Atomic int32_t carry; /* times 2^64 */
};

/* Returns whether the sum is more, or less, than can be told, or was. */
static inline bool size_sum_add(struct size_sum *s, int64_t n)
{
	int64_t before = atomic_fetch_add(&s->low, n);
	int64_t after;

	if (!__builtin_add_overflow(before, n, &after))
		return atomic_load_explicit(&s->carry, memory_order_relaxed) != 0;
	atomic_fetch_add(&s->carry, n > 0 ? 1 : -1);
	return true;
}

static inline int64_t size_sum_get(struct size_sum *s)
{
	int32_t carry = atomic_load(&s->carry);

	if (carry != 0)
		return carry > 0 ? INT64_MAX : INT64_MIN;
	return atomic_load(&s->low);
}

/* INT64_MAX: as much or more. Whoever adds at the same time may be forgotten. */
static inline void size_sum_set(struct size_sum *s, int64_t n)
{
	atomic_store(&s->carry, n == INT64_MAX);
	atomic_store(&s->low, n == INT64_MAX ? 0 : n);
}

#endif
