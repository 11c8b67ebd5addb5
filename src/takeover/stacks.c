/* SPDX-License-Identifier: MIT */
/*
 * The unwinder of libgcc, which takes no lock and no memory (glibc 2.35; before, that of the loader for a moment).
 */
#include "takeover/stacks.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include "util/clock.h"

/* Nobody else's here, and of no use to a terminal. */
#define TELL_SIGNAL (SIGRTMIN + 2)

#define WAIT_POLL_NS (2 * NS_PER_MS)

struct stack {
	_Atomic int32_t tid; /* written last */
	uint32_t depth;
	uintptr_t pc[STACKS_DEPTH_MAX];
};

struct stacks {
	_Atomic uint32_t begun;
	_Atomic uint32_t told;
	struct stack stacks[THREADS_LOOK_MAX];
};

/* A signal handler has no argument of ours. */
static struct stacks *own;

struct walk {
	struct stack *stack;
	bool interrupted; /* what is before is the handler's own */
};

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *arg)
{
	struct walk *w = arg;
	int exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &exact);

	w->interrupted |= exact;
	if (!w->interrupted)
		return _URC_NO_REASON;
	if (!pc || w->stack->depth == STACKS_DEPTH_MAX)
		return _URC_END_OF_STACK;
	/* Of a caller the address is behind the call, which may be another function's already. */
	w->stack->pc[w->stack->depth++] = exact ? pc : pc - 1;
	return _URC_NO_REASON;
}

static void tell(int signo)
{
	int saved = errno;
	uint32_t i = atomic_fetch_add(&own->begun, 1);
	struct walk w = { 0 };

	(void)signo;
	if (i < THREADS_LOOK_MAX) {
		w.stack = &own->stacks[i];
		w.stack->depth = 0;
		(void)_Unwind_Backtrace(frame, &w);
		atomic_store(&w.stack->tid, (int32_t)syscall(SYS_gettid));
		atomic_fetch_add(&own->told, 1);
	}
	errno = saved;
}

int stacks_new(struct stacks **ret)
{
	void *p = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	*ret = p;
	return 0;
}

void stacks_obey(struct stacks *s)
{
	const struct sigaction sa = { .sa_handler = tell, .sa_flags = SA_RESTART };

	own = s;
	(void)sigaction(TELL_SIGNAL, &sa, NULL);
}

static bool can_tell(const struct thread_state *t)
{
	return (t->state == 'R' || t->state == 'S') &&
	       !(t->blocked & (UINT64_C(1) << (TELL_SIGNAL - 1)));
}

void stacks_collect(struct stacks *s, pid_t pid, const struct thread_state *threads, size_t n)
{
	const struct timespec poll_time = { .tv_nsec = WAIT_POLL_NS };
	int64_t end = clock_mono_ns() + STACKS_WAIT_NS;
	uint32_t asked = 0;

	for (size_t i = 0; i < THREADS_LOOK_MAX; i++)
		atomic_store(&s->stacks[i].tid, 0);
	atomic_store(&s->told, 0);
	atomic_store(&s->begun, 0);
	for (size_t i = 0; i < n; i++) {
		if (!can_tell(&threads[i]))
			continue;
		if (syscall(SYS_tgkill, pid, threads[i].tid, TELL_SIGNAL) == 0)
			asked++;
	}
	while (atomic_load(&s->told) < asked && clock_mono_ns() < end)
		(void)nanosleep(&poll_time, NULL);
}

size_t stacks_of(const struct stacks *s, pid_t tid, uintptr_t ret[STACKS_DEPTH_MAX])
{
	for (size_t i = 0; i < THREADS_LOOK_MAX; i++) {
		const struct stack *at = &s->stacks[i];
		size_t n = 0;

		if (atomic_load(&at->tid) != tid)
			continue;
		for (; n < at->depth && n < STACKS_DEPTH_MAX; n++)
			ret[n] = at->pc[n];
		return n;
	}
	return 0;
}
