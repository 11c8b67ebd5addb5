/* SPDX-License-Identifier: MIT */
/*
 * Limits. Taking is under the execution's lock, so that the sums it compares belong together; giving back is not,
 * for less is always right. The sums are below 0 until those from before the start are added (exec/recover.h).
 */
#include "exec/limit.h"

#include <errno.h>

#include "exec/exec_table.h"

struct exec_limits exec_limits_of(const struct exec_table *t, const struct execution *e)
{
	return e->lifetime == LIFETIME_FILES ? (struct exec_limits){ 0 } : exec_default_limits(t);
}

static uint64_t left(uint64_t limit, int64_t used)
{
	if (limit == 0)
		return INT64_MAX;
	if (used <= 0)
		return limit;
	return limit > (uint64_t)used ? limit - (uint64_t)used : 0;
}

static uint64_t bytes_left(const struct exec_limits *limits, struct execution *e)
{
	int64_t used;

	if (__builtin_add_overflow(size_sum_get(&e->bytes), size_sum_get(&e->nameless_bytes),
				   &used))
		used = INT64_MAX; /* what has no name is not below 0 */
	return left(limits->bytes, used);
}

int exec_take(struct exec_table *t, struct execution *e, uint64_t files, uint64_t bytes)
{
	struct exec_limits limits = exec_limits_of(t, e);

	LOCK_SCOPE(&e->lock);
	if (files > left(limits.files, (int64_t)atomic_load(&e->files)) ||
	    bytes > bytes_left(&limits, e))
		return -EDQUOT;
	exec_account(e, (int64_t)files, (int64_t)bytes);
	return 0;
}

uint64_t exec_take_some(struct exec_table *t, struct execution *e, uint64_t bytes, bool nameless)
{
	struct exec_limits limits = exec_limits_of(t, e);
	uint64_t n;

	LOCK_SCOPE(&e->lock);
	n = MIN_OF(bytes, bytes_left(&limits, e));
	if (nameless)
		exec_account_nameless(e, (int64_t)n);
	else
		exec_account(e, 0, (int64_t)n);
	return n;
}

void exec_account_nameless(struct execution *e, int64_t bytes)
{
	(void)!size_sum_add(&e->nameless_bytes, bytes);
}

bool exec_is_spent(struct exec_table *t, struct execution *e)
{
	struct exec_limits limits = exec_limits_of(t, e);

	return bytes_left(&limits, e) == 0;
}
