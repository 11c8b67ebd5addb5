/* SPDX-License-Identifier: MIT */
/*
 * By states, switches and CPU time. A thread whose disk is slow gives up its CPU again and again, and is at the same request
 * all the time, or others would have been answered.
 */
#include "takeover/excuse.h"

#include "util/clock.h"

/* Of cpu_ticks; source: USER_HZ, the same everywhere. */
#define TICK_NS (NS_PER_S / 100)

static const char debugged[] = "it is being debugged";
static const char no_store[] =
	"the store does not answer: its disk hangs or is slow, or its filesystem is frozen";
static const char no_cpu[] = "its threads do not get a CPU";

static const struct thread_state *find(const struct sight *s, pid_t tid)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->threads[i].tid == tid)
			return &s->threads[i];
	}
	return NULL;
}

static bool is_held(const struct thread_state *before, const struct thread_state *now)
{
	return now->switches == before->switches && now->cpu_ticks == before->cpu_ticks;
}

/* Of two sightings, so far from each other, in the same state. */
static const char *excuse_one(const struct thread_state *before, const struct thread_state *now,
			      int64_t ns, const struct excuse_upcalls *up)
{
	int64_t cpu_ns = (int64_t)(now->cpu_ticks - before->cpu_ticks) * TICK_NS;

	if (now->state == 'D' && !up->may_hang(up->ctx, now->tid) &&
	    (is_held(before, now) || up->serves(up->ctx, now->tid)))
		return no_store;
	if (now->state == 'R' && up->is_reader(up->ctx, now) && cpu_ns * EXCUSE_CPU_PART < ns)
		return no_cpu;
	return NULL;
}

const char *excuse_find(const struct sight *before, const struct sight *now, pid_t self,
			const struct excuse_upcalls *up)
{
	const char *why = NULL;

	for (size_t i = 0; i < now->count && why != no_store; i++) {
		const struct thread_state *t = &now->threads[i];
		const struct thread_state *was = find(before, t->tid);
		const char *one = NULL;

		if (t->traced)
			return debugged;
		if (was && was->state == t->state && t->tid != self)
			one = excuse_one(was, t, now->mono_ns - before->mono_ns, up);
		why = one ? one : why;
	}
	return why;
}

const char *excuse_of_dying(const struct sight *now, const struct excuse_upcalls *up)
{
	for (size_t i = 0; i < now->count; i++) {
		if (now->threads[i].state == 'D' && !up->may_hang(up->ctx, now->threads[i].tid))
			return no_store;
	}
	return NULL;
}
