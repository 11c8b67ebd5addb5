/* SPDX-License-Identifier: MIT */
/*
 * A place is taken by its name, which comes last for who looks: `claimed` stands there until the rest has been set.
 */
#include "util/task.h"

#include <stdbool.h>

#include "util/clock.h"

static const char claimed[] = "";

static bool claim(struct task *task)
{
	const char *none = NULL;

	return atomic_compare_exchange_strong(&task->name, &none, claimed);
}

struct task *task_begin(struct tasks *t, const char *name, const char *unit, uint64_t whole)
{
	for (size_t i = 0; t && i < TASKS_MAX; i++) {
		struct task *task = &t->at[i];

		if (!claim(task))
			continue;
		atomic_store_explicit(&task->unit, unit, memory_order_relaxed);
		atomic_store_explicit(&task->done, 0, memory_order_relaxed);
		atomic_store_explicit(&task->whole, whole, memory_order_relaxed);
		atomic_store_explicit(&task->begin_mono_ns, clock_mono_ns(), memory_order_relaxed);
		atomic_store_explicit(&task->name, name, memory_order_release);
		return task;
	}
	return NULL;
}

void task_end(struct task *task)
{
	if (task)
		atomic_store_explicit(&task->name, NULL, memory_order_release);
}

_Bool task_look(const struct tasks *t, size_t i, struct task_view *ret)
{
	const struct task *task = &t->at[i];
	const char *name = atomic_load_explicit(&task->name, memory_order_acquire);

	if (!name || name == claimed)
		return false;
	*ret = (struct task_view){
		.name = name,
		.unit = atomic_load_explicit(&task->unit, memory_order_relaxed),
		.done = atomic_load_explicit(&task->done, memory_order_relaxed),
		.whole = atomic_load_explicit(&task->whole, memory_order_relaxed),
		.took_ns = clock_mono_ns() -
			   atomic_load_explicit(&task->begin_mono_ns, memory_order_relaxed),
	};
	return true;
}
