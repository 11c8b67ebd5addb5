/* SPDX-License-Identifier: MIT */
/*
 * Limits of an execution: bytes and regular files, by the sums that it is charged. What counts is the size that
 * stat(2) shows, holes included: it is what `bytes` says, it is the same on every filesystem, and it moves with a
 * rename. Files without a name count for as long as somebody has them. `_` has no limits, for it is nobody's.
 *
 * Whoever adds something takes it here first, so that two who add at the same time do not pass a limit together;
 * what is taken and not used is given back. All may be called from any thread, under an inode's lock or none.
 */
#ifndef EXEC_LIMIT_H
#define EXEC_LIMIT_H

#include "exec/execution.h"

/* In force for it; none set: not limited. */
struct exec_limits exec_limits_of(const struct exec_table *t, const struct execution *e);

/* All of it or nothing: 0 or -EDQUOT. */
int exec_take(struct exec_table *t, struct execution *e, uint64_t files, uint64_t bytes)
	WARN_UNUSED;

/* As many of `bytes` as there are left, for a file that has a name or has none. */
uint64_t exec_take_some(struct exec_table *t, struct execution *e, uint64_t bytes, bool nameless)
	WARN_UNUSED;

/* More or less bytes of nameless files. */
void exec_account_nameless(struct execution *e, int64_t bytes);

/* Whether it has as many bytes as it may have. */
bool exec_is_spent(struct exec_table *t, struct execution *e);

#endif
