/* SPDX-License-Identifier: MIT */
/*
 * Its beginning, and what it tells the guardian: in the area that both have.
 */
#include "takeover/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/urgent.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"

struct work {
	const struct guardian_plan *plan;
	struct worker_area *area;
	unsigned int generation;
	int status;
};

/* For tell_death(). */
static struct worker_area *own_area;

/* The guardian cannot ask for the status before the last thread is gone, and one may hang. */
static void tell_death(int signo)
{
	atomic_store(&own_area->signal, signo);
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

/* Unless a sanitizer is there first. */
static void tell_deaths(struct worker_area *area)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	const struct sigaction tell = { .sa_handler = tell_death };
	struct sigaction old;

	own_area = area;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &tell, NULL);
	}
}

static void *work(void *arg)
{
	struct work *w = arg;

	(void)pthread_setname_np(pthread_self(), "worker");
	FAULT_POINT("worker_begins");
	atomic_store(&w->area->tid, (int32_t)syscall(SYS_gettid));
	worker_area_say(w->area);
	guardian_step(w->plan->keep, "fork");
	w->status = w->plan->work(w->plan->ctx, w->generation);
	_exit(w->status); /* the first thread need not come to run for that */
}

/* The C library takes this thread for the guardian's: it starts another one and waits. */
void worker_begin(const struct guardian_plan *plan, unsigned int generation, pid_t guardian)
{
	struct work w = {
		.plan = plan,
		.area = worker_area(plan->keep),
		.generation = generation,
		.status = EXIT_FAILURE,
	};
	pthread_t thread;
	int err;

	if (generation > 1)
		urgent_start();
	tell_deaths(w.area);
	watchdog_obey(plan->watchdog);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != guardian)
		_exit(EXIT_FAILURE);
	err = pthread_create(&thread, NULL, work, &w);
	if (err == 0)
		(void)pthread_join(thread, NULL);
	else
		log_error("cannot start: error=%s", log_errname(-err));
	_exit(w.status);
}

void guardian_ready(struct keep *keep, bool replaceable)
{
	struct worker_area *area = worker_area(keep);

	atomic_store(&area->replaceable, replaceable);
	atomic_store(&area->ready, true);
	worker_area_say(area);
	urgent_end();
	urgent_wait();
}

void guardian_step(const struct keep *keep, const char *what)
{
	int64_t died =
		atomic_load(&((struct worker_area *)keep_area(keep, KEEP_WORKER))->died_mono_ns);

	if (died)
		log_debug("takeover: step=%s ms=%.1f", what,
			  (double)(clock_ns(CLOCK_MONOTONIC) - died) / NS_PER_MS);
}

void guardian_settled(struct keep *keep)
{
	struct worker_area *area = worker_area(keep);
	int64_t died;

	if (atomic_load_explicit(&area->settled, memory_order_relaxed) ||
	    atomic_exchange(&area->settled, true))
		return;
	died = atomic_exchange(&area->died_mono_ns, 0);
	if (died)
		atomic_fetch_add(&area->waited_ns, clock_ns(CLOCK_MONOTONIC) - died);
}

unsigned int guardian_hung(const struct keep *keep)
{
	const struct worker_area *area = keep_area(keep, KEEP_WORKER);

	return atomic_load(&area->hung);
}

int64_t guardian_waited_ns(const struct keep *keep)
{
	const struct worker_area *area = keep_area(keep, KEEP_WORKER);

	return atomic_load(&area->waited_ns);
}

void guardian_ending(struct keep *keep)
{
	struct worker_area *area = worker_area(keep);

	atomic_store(&area->ending, true);
	worker_area_say(area);
}

void guardian_ended(struct keep *keep, int result)
{
	struct worker_area *area = worker_area(keep);

	area->result = result;
	atomic_store(&area->ended, true);
}

void guardian_may_hang(struct keep *keep)
{
	struct worker_area *area = worker_area(keep);
	uint32_t i;

	i = atomic_fetch_add(&area->nhang, 1);
	if (i < MAY_HANG_MAX)
		atomic_store(&area->hang[i], (int32_t)syscall(SYS_gettid));
}
