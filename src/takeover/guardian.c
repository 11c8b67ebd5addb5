/* SPDX-License-Identifier: MIT */
/*
 * One worker at a time. Before another one is started nothing of the last one may be under way, not even in the kernel:
 * a system call of a killed thread is finished, and only then it is gone.
 */
#include "takeover/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/ending.h"
#include "takeover/format.h"
#include "takeover/handover.h"
#include "takeover/spare.h"
#include "takeover/state.h"
#include "takeover/succession.h"
#include "takeover/urgent.h"
#include "takeover/worker.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/sdnotify.h"

/* Not in the headers of every release; source: linux/pidfd.h of Linux 6.9. */
#define PIDFD_OF_THREAD O_EXCL

/* How often the threads of a dead worker are looked for; and when that takes long: a disk hangs. */
#define THREADS_POLL_NS (NS_PER_MS / 5)
#define THREADS_SLOW_POLL_NS (20 * NS_PER_MS)
#define THREADS_SLOW_NS (NS_PER_S / 4)

/*
 * How long a worker is left in peace that has died. Source: its memory takes milliseconds; and while a thread of it is just going,
 * who collects it spins in the kernel until that has gone on (d_invalidate() of /proc), which may be long on a busy CPU.
 */
#define COLLECT_NS NS_PER_S

/* Descriptors that are closed at a time, and how often, while the next worker serves. Source: 0.2 ms of each, in real time. */
#define CLOSE_PIECE 128
#define CLOSE_MS 1

/* ---- a worker ---- */

static int fork_worker(struct guardian *g)
{
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	pid_t self = getpid();
	int r;

	if (g->generation > 1)
		urgent_start(); /* it is born so */
	do
		g->pid = (pid_t)FAULT_CALL("worker-fork", syscall(SYS_clone, CLONE_FILES | SIGCHLD,
								  NULL, NULL, NULL, NULL));
	while (g->pid < 0 && g->generation > 1 && worker_is_to_be_tried_again(errno, start));
	if (g->pid < 0) {
		r = -errno;
		log_error("cannot start a worker: error=%s", log_errname(r));
		return r;
	}
	if (g->pid == 0)
		worker_begin(g->plan, g->generation, self);
	urgent_wait(); /* it may die at once */
	g->pidfd = (int)syscall(SYS_pidfd_open, g->pid, 0);
	return g->pidfd < 0 ? -errno : 0;
}

static int start(struct guardian *g)
{
	int r = 0;

	if (g->generation > 0) {
		log_disconnect(); /* its socket is none that is kept */
		r = keep_close_others();
		g->closing = true;
	}

	if (r < 0)
		return r;
	g->generation++;
	atomic_store(&g->area->signal, 0);
	g->hung = g->leaving = false;
	g->leave_mono_ns = 0;
	atomic_store(&g->area->ready, false);
	atomic_store(&g->area->leave, false);
	atomic_store(&g->area->left, false);
	atomic_store(&g->area->settled, false);
	atomic_store(&g->area->nhang, 0);
	atomic_store(&g->area->tid, 0);
	g->thread = -1;
	g->gone = false;
	g->pid = spare_take(&g->spare, g->generation, &g->pidfd);
	if (!g->pid)
		r = fork_worker(g);
	g->start_mono_ns = clock_ns(CLOCK_MONOTONIC);
	return r;
}

/*
 * None of its threads does anything any more. As waitpid(2) has it; of one that has died, which still gives its memory back, or a
 * thread of it hangs, what /proc says. -1: neither. Nor would the process's own descriptor tell of its end before that is gone, nor
 * that of its first thread (Linux 6.15).
 */
static int await_end(struct guardian *g)
{
	struct timespec poll_time = { .tv_nsec = THREADS_POLL_NS };
	int64_t start = clock_ns(CLOCK_MONOTONIC);
	int64_t waited = 0;
	int status;

	watchdog_dies(g->plan->watchdog);
	while (ending_has_threads(g->area, g->pid, waited >= URGENT_START_NS)) {
		if (waited >= THREADS_SLOW_NS) {
			urgent_begin(); /* nobody can hurry that */
			poll_time.tv_nsec = THREADS_SLOW_POLL_NS;
			watchdog_await_death(g->plan->watchdog, g->pid);
		}
		(void)nanosleep(&poll_time, NULL);
		waited = clock_ns(CLOCK_MONOTONIC) - start;
	}
	keep_fd_drop(g->pidfd);
	g->pidfd = safe_close(g->pidfd);
	keep_fd_drop(g->thread);
	g->thread = safe_close(g->thread);
	if (!ending_is_in_order(g->area))
		return ending_status(g->pid); /* collect() has it later */
	urgent_begin();			      /* as urgent_wait() demands */
	return waitpid(g->pid, &status, WNOHANG) == g->pid ? status : -1;
}

/* Whether it has ended in order, with nothing left to be taken over, or could not begin. */
static bool has_ended(const struct guardian *g, int status)
{
	if (status < 0 || !WIFEXITED(status))
		return false;
	return ending_is_in_order(g->area) || !g->was_ready;
}

/* ---- what comes in ---- */

static void take_signal(struct guardian *g)
{
	struct signalfd_siginfo info;

	if (read(g->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == HANDOVER_SIGNAL) {
		atomic_fetch_add(&g->area->asked, 1);
		succession_ask(g);
		return;
	}
	g->stopping = true;
	spare_end(&g->spare);
	(void)kill(g->pid, (int)info.ssi_signo);
}

/* Children that have ended, but the worker: those that hung, and do not any more; the prober; the server of metrics=. */
static void collect(struct guardian *g)
{
	siginfo_t info;

	if (clock_ns(CLOCK_MONOTONIC) < g->collect_mono_ns)
		return;
	g->collect_mono_ns = 0;
	do {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid ||
		    info.si_pid == g->pid)
			return;
	} while (waitpid(info.si_pid, NULL, WNOHANG) > 0);
}

/* Whether what it has said takes time, in which its death would not be seen. */
static bool has_said_much(const struct guardian *g)
{
	return (!g->told_ready && !g->foreign && atomic_load(&g->area->ready)) ||
	       atomic_load(&g->area->ending) ||
	       atomic_load(&g->area->asked) != atomic_load(&g->area->answered);
}

/* What the worker has said. */
static void take_word(struct guardian *g)
{
	int32_t tid = atomic_load(&g->area->tid);
	uint64_t n;

	if (read(g->area->said_fd, &n, sizeof(n)) < 0)
		return;
	if (g->thread < 0 && tid) {
		g->thread = (int)syscall(SYS_pidfd_open, tid, PIDFD_OF_THREAD);
		g->gone = g->thread < 0 && errno == ESRCH; /* whoever hangs keeps the process */
		keep_fd(g->thread); /* none before Linux 6.9, where nothing can be taken over */
	}
	if (!g->told_ready && !g->foreign && atomic_load(&g->area->ready)) {
		g->told_ready = g->was_ready = true;
		g->plan->ready(g->plan->ctx);
	}
	if (atomic_load(&g->area->ready) && atomic_load(&g->area->replaceable) && !g->leaving &&
	    !g->stopping && !g->foreign)
		spare_want(&g->spare);
	if (atomic_exchange(&g->area->ending, false))
		sdnotify("STOPPING=1");
	if (atomic_load(&g->area->asked) != atomic_load(&g->area->answered))
		succession_ask(g);
}

/* Kill it if it does not leave in time, or has fallen silent. */
static void look_after(struct guardian *g)
{
	bool serves = atomic_load(&g->area->ready) && !g->leaving && !g->stopping && !g->foreign;

	succession_go_on(g);
	if (g->leave_mono_ns && g->leave_mono_ns <= clock_ns(CLOCK_MONOTONIC)) {
		log_warning("worker pid=%d does not end what it is at; killing it", (int)g->pid);
		(void)kill(g->pid, SIGKILL);
		g->leave_mono_ns = 0;
	}
	if (!watchdog_look(g->plan->watchdog, g->pid, serves))
		return;
	if (!atomic_load(&g->area->replaceable)) {
		watchdog_tell(g->plan->watchdog);
		return;
	}
	g->hung = true;
	atomic_fetch_add(&g->area->hung, 1);
	(void)kill(g->pid, SIGKILL);
}

/* Milliseconds until it is to be looked after; -1: never. */
static int until_due(const struct guardian *g)
{
	int64_t left = watchdog_due_ns(g->plan->watchdog);

	if (g->collect_mono_ns)
		left = MIN_OF(left, g->collect_mono_ns - clock_ns(CLOCK_MONOTONIC));
	if (g->leave_mono_ns)
		left = MIN_OF(left, g->leave_mono_ns - clock_ns(CLOCK_MONOTONIC));
	if ((g->foreign || g->checked) && !g->leaving && !g->stopping)
		left = MIN_OF(left, g->warm_mono_ns - clock_ns(CLOCK_MONOTONIC));
	if (g->closing)
		left = MIN_OF(left, CLOSE_MS * NS_PER_MS);
	if (g->spare.due_mono_ns != INT64_MAX)
		left = MIN_OF(left, g->spare.due_mono_ns - clock_ns(CLOCK_MONOTONIC));
	return left == INT64_MAX ? -1 : (int)(MAX_OF(left, INT64_C(0)) / NS_PER_MS) + 1;
}

/*
 * Until it is gone, or its thread: then still in real time, if it can be had, for everybody waits from then on; and meanwhile, unless
 * there is something to be done that takes time.
 */
static void attend(struct guardian *g)
{
	struct pollfd fds[] = {
		{ .fd = g->pidfd, .events = POLLIN }, { .fd = -1, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },	      { .fd = g->area->said_fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};

	while (!fds[0].revents && !fds[1].revents && !g->gone) {
		bool heard;

		fds[1].fd = g->thread;
		/* Who has not begun yet takes none, see worker.c. */
		fds[2].fd = atomic_load(&g->area->tid) ? g->signal_fd : -1;
		fds[4].fd = g->foreign ? succession_holder(g) : g->spare.pidfd;
		if (!g->closing)
			look_after(g);
		urgent_wait();
		heard = poll(fds, ARRAY_SIZE(fds), until_due(g)) > 0;
		if (heard && (fds[0].revents || fds[1].revents) && !fds[2].revents &&
		    !fds[3].revents)
			return;
		if (!heard && g->closing) {
			g->closing = keep_close_left(CLOSE_PIECE);
			continue;
		}
		if (!heard)
			spare_look(&g->spare);
		if (!heard || fds[2].revents || has_said_much(g) || (g->foreign && fds[4].revents))
			urgent_begin();
		if (!heard) {
			collect(g);
			continue; /* EINTR */
		}
		if (fds[4].revents && g->foreign)
			succession_holder_gone(g);
		else if (fds[4].revents)
			spare_gone(&g->spare);
		if (fds[3].revents)
			take_word(g);
		if (fds[2].revents)
			take_signal(g);
	}
	urgent_wait();
}

/* A status, also if it is not known: as waitpid(2)'s. */
static int died_of(const struct guardian *g, int status)
{
	int told = atomic_load(&g->area->signal);

	if (told)
		return told;
	return status >= 0 ? status : SIGKILL;
}

/* How much a death counts, in eighths of a try; 0: it was a good life. */
static unsigned int badness(const struct guardian *g, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (g->hung)
		return clock_ns(CLOCK_MONOTONIC) - g->start_mono_ns < GUARDIAN_HANG_NS ? 8 : 0;
	if (killed)
		return atomic_load(&g->area->settled) ? 0 : 1;
	return clock_ns(CLOCK_MONOTONIC) - g->start_mono_ns < GUARDIAN_LIFE_NS ? 8 : 0;
}

/* Whether another one is to be started after this end. */
static bool goes_on(struct guardian *g, int status)
{
	unsigned int bad;

	if (g->stopping || !g->was_ready || !atomic_load(&g->area->replaceable))
		return false;
	bad = badness(g, status);
	g->bad = bad ? g->bad + bad : 0;
	if (g->bad < GUARDIAN_TRIES * 8)
		return true;
	log_error("workers die one after the other; giving up");
	return false;
}

/* Whether this program is to be taken back. */
static bool fails(struct guardian *g)
{
	g->proven |= atomic_load(&g->area->settled);
	if (g->proven || g->stopping || !g->plan->go_back)
		return false;
	return ++g->unproven == GUARDIAN_NEW_TRIES;
}

static void tell_end(pid_t pid, int status)
{
	if (WIFEXITED(status))
		log_warning("worker ended by itself pid=%d status=%d, serving", (int)pid,
			    WEXITSTATUS(status));
	else
		log_warning("worker died pid=%d signal=%d (%s)", (int)pid, WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
}

static int run(struct guardian *g)
{
	pid_t before = 0;
	bool was_foreign;
	int status = 0;
	int r;

	for (;;) {
		r = g->foreign ? 0 : start(g);
		if (before) { /* not earlier: the log may be on a busy disk, and everybody waits */
			tell_end(before, status);
			watchdog_tell(g->plan->watchdog);
		}
		if (r < 0)
			return r;
		keep_fd(g->pidfd);
		g->collect_mono_ns = clock_ns(CLOCK_MONOTONIC) + COLLECT_NS;
		attend(g);
		urgent_session(getpid());
		if (!atomic_load(&g->area->died_mono_ns)) /* else nobody has been served since */
			atomic_store(&g->area->died_mono_ns, clock_ns(CLOCK_MONOTONIC));
		status = await_end(g);
		if (succession_has_left(g) && !atomic_load(&g->area->left))
			tell_end(g->pid, died_of(g, status));
		if (succession_has_left(g) && !g->foreign) {
			succession_replace(g);
			continue;
		}
		if (has_ended(g, status))
			return WEXITSTATUS(status);
		if (atomic_load(&g->area->ended)) /* a thread of it hangs */
			return g->area->result;
		was_foreign = g->foreign;
		r = was_foreign ? succession_fetch(g) : 0;
		if (r < 0)
			return r;
		if (g->leaving)
			continue;
		before = g->pid;
		status = died_of(g, status);
		if (!goes_on(g, status))
			break;
		if (!was_foreign && fails(g)) {
			tell_end(before, status);
			before = 0;
			succession_go_back(g);
		}
	}
	tell_end(before, status);
	watchdog_tell(g->plan->watchdog);
	return -EIO;
}

static int begin(struct guardian *g)
{
	atomic_store(&g->area->ready, false);
	g->signal_fd = signalfd(-1, g->plan->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	g->area->said_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->signal_fd < 0 || g->area->said_fd < 0)
		return -errno;
	return keep_all_fds();
}

int guardian_run(const struct guardian_plan *plan)
{
	struct guardian g = {
		.plan = plan,
		.area = worker_area(plan->keep),
		.generation = plan->generation,
		.was_ready = plan->generation > 0,
		.pidfd = -1,
		.thread = -1,
		.spare = SPARE_NONE(plan),
	};
	int r = 0;

	if (plan->generation > 0 && !plan->is_back)
		succession_done(&g);
	if (g.area->serving)
		succession_adopt(&g);
	else
		r = begin(&g);
	if (plan->generation == 0 ||
	    g.foreign) /* else it is in real time still, or as urgent as can be */
		urgent_begin();
	if (r == 0)
		r = run(&g);
	urgent_wait_end();
	if (g.foreign)
		succession_end(&g);
	spare_end(&g.spare);
	if (!atomic_load(&g.area->ended))
		plan->abandon(plan->ctx);
	return r;
}

uint64_t guardian_layout(void)
{
	return layout_add(layout_begin(), sizeof(struct worker_area));
}
