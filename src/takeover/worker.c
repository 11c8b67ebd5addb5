/* SPDX-License-Identifier: MIT */
/*
 * Its beginning, perhaps in advance, and what it tells the guardian: in the area that both have.
 */
#include "takeover/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/urgent.h"
#include "takeover/warm.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"

/* How often who waits looks whether more is kept. Source: a takeover that finds a tenth of it cold is a tenth slower. */
#define LOOK_S 10

/* How long memory and processes are tried to be had for one, and how often. Source: they lack for long only where all is lost. */
#define TRY_NS (10 * NS_PER_S)
#define TRY_POLL_NS (20 * NS_PER_MS)

/* Of the process, as long as it waits. */
#define SPARE_NAME "batonfs-spare"

struct work {
	const struct guardian_plan *plan;
	struct worker_area *area;
	pid_t guardian;
	unsigned int generation; /* 0: not yet known */
	char name[16];		 /* the guardian's */
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

/* In whatever unit; 0: not known. */
static blkcnt_t kept(const struct work *w)
{
	struct stat st;

	return fstat(keep_memory_fd(w->plan->keep), &st) < 0 ? 0 : st.st_blocks;
}

/* Another program has come in the guardian's place; the worker has died, whose descriptors this process has, and the next one has not. */
static void close_others(struct work *w)
{
	(void)!keep_close_others();
	while (keep_close_left(1))
		;
	atomic_store(&w->area->go, SPARE_HAS_CLOSED);
	worker_area_say(w->area);
}

/* Until there is a number. What is kept grows meanwhile. */
static void wait_for_number(struct work *w)
{
	const struct timespec look = { .tv_sec = LOOK_S };
	const struct keep *keep = w->plan->keep;
	int32_t self = (int32_t)syscall(SYS_gettid);
	blkcnt_t warmed = kept(w);
	int32_t go;

	atomic_store(&w->area->spare_tid, self);
	warm_process(&w->area->go);
	warm_keep(keep, &w->area->go);
	atomic_store(&w->area->spare_warm, true);
	worker_area_say(w->area);
	while ((go = atomic_load(&w->area->go)) !=
	       self) { /* another one's: it waits still, for its end */
		blkcnt_t now;

		if (go == SPARE_CLOSES && w->area->holder == getpid()) {
			close_others(w);
			continue;
		}
		(void)syscall(SYS_futex, &w->area->go, FUTEX_WAIT, go, &look, NULL, 0);
		now = atomic_load(&w->area->go) ? warmed : kept(w);
		if (now > warmed)
			warm_keep(keep, &w->area->go);
		warmed = now;
	}
	w->generation = atomic_load(&w->area->number);
	urgent_start();
}

/* What came for it meanwhile was not meant for a worker. The guardian passes nothing on before it is told of this thread. */
static void drop_signals(const struct guardian_plan *plan)
{
	struct timespec none = { 0 };

	while (sigtimedwait(plan->signals, NULL, &none) > 0)
		;
}

/* Dies with the guardian: as a worker not without having unmounted. */
static void follow(pid_t guardian, int signo)
{
	(void)prctl(PR_SET_PDEATHSIG, signo);
	if (getppid() != guardian)
		_exit(EXIT_FAILURE);
}

/* As it is seen from outside, which is the first thread's. */
static void name_process(const char *name)
{
	_cleanup_close_ int fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, name, strlen(name));
}

static void *work(void *arg)
{
	struct work *w = arg;
	bool waited = w->generation == 0;

	if (waited) {
		follow(w->guardian, SIGKILL);
		FAULT_POINT("spare_begins");
		wait_for_number(w);
		drop_signals(w->plan);
		name_process(w->name);
	}
	follow(w->guardian, SIGTERM);
	(void)pthread_setname_np(pthread_self(), "worker");
	FAULT_POINT("worker_begins");
	atomic_store(&w->area->tid, (int32_t)syscall(SYS_gettid));
	worker_area_say(w->area);
	guardian_step(w->plan->keep, waited ? "woken" : "forked");
	w->status = w->plan->work(w->plan->ctx, w->generation);
	_exit(w->status); /* the first thread need not come to run for that */
}

bool worker_is_to_be_tried_again(int err, int64_t start_mono_ns)
{
	const struct timespec poll_time = { .tv_nsec = TRY_POLL_NS };

	if ((err != EAGAIN && err != ENOMEM) || clock_ns(CLOCK_MONOTONIC) - start_mono_ns >= TRY_NS)
		return false;
	(void)nanosleep(&poll_time, NULL);
	return true;
}

/* The C library takes this thread for the guardian's: it starts another one and waits. */
NORETURN static void begin(const struct guardian_plan *plan, unsigned int generation,
			   pid_t guardian)
{
	struct work w = {
		.plan = plan,
		.area = worker_area(plan->keep),
		.guardian = guardian,
		.generation = generation,
		.status = EXIT_FAILURE,
	};
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	pthread_t thread;
	int err;

	(void)prctl(PR_GET_NAME, w.name);
	if (generation == 0)
		(void)prctl(PR_SET_NAME, SPARE_NAME);
	tell_deaths(w.area);
	watchdog_obey(plan->watchdog);
	do {
		err = FAULT_CALL("worker-thread", pthread_create(&thread, NULL, work, &w));
		err = err < 0 ? errno : err;
	} while (err && generation > 1 && worker_is_to_be_tried_again(err, start));
	if (err == 0)
		(void)pthread_join(thread, NULL);
	else if (generation > 0) /* else it is tried again later */
		log_error("cannot start a worker: error=%s", log_errname(-err));
	_exit(w.status);
}

void worker_begin(const struct guardian_plan *plan, unsigned int generation, pid_t guardian)
{
	if (generation > 1)
		urgent_start();
	begin(plan, generation, guardian);
}

void worker_wait(const struct guardian_plan *plan, pid_t guardian)
{
	urgent_wait_end(); /* the guardian makes it so again */
	begin(plan, 0, guardian);
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
	if (atomic_load(&area->asked) != atomic_load(&area->answered))
		worker_area_say(area); /* an upgrade that waits for this */
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
