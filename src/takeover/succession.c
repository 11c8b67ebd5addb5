/* SPDX-License-Identifier: MIT */
/*
 * If there is one that waits, the other program comes first, and its own one that waits is made while the worker of the program before
 * serves on; then that leaves. Else the worker leaves first.
 */
#include "takeover/succession.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "takeover/handover.h"
#include "takeover/urgent.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"

/* How long one that waits may take to have its memory before an upgrade goes on without. Source: 30 times what it takes. */
#define WARM_NS ((int64_t)FAULT_NUMBER("BATONFS_FAULT_WARM", 500 * NS_PER_MS))

/* How often, and how long at most, a worker is looked at that is to stop. */
#define STOP_POLL_NS (NS_PER_MS / 2)
#define STOP_NS NS_PER_S

void succession_done(struct guardian *g)
{
	uint32_t covered = atomic_load(&g->area->covered);

	g->done_before = atomic_load(&g->area->done);
	atomic_store(&g->area->done, covered);
	atomic_store(&g->area->answered, covered);
}

/* To all until the `asked`th; those after them are looked at again. */
static void refuse(struct guardian *g, uint32_t asked, const struct handover_reason *why)
{
	g->area->reason = *why;
	atomic_store(&g->area->answered, asked);
	worker_area_say(g->area);
}

static void tell_refused(struct guardian *g, const struct handover_reason *why)
{
	log_warning("upgrade refused: %s", why->text);
	refuse(g, atomic_load(&g->area->covered), why);
}

/* All wait from when it reads no more. */
static void have_leave(struct guardian *g)
{
	g->leaving = true;
	g->leave_mono_ns = clock_ns(CLOCK_MONOTONIC) + HANDOVER_LEAVE_NS;
	atomic_store(&g->area->leave, true);
	urgent_session(g->pid);
	(void)kill(g->pid, HANDOVER_SIGNAL);
}

/* What else there is to be known of a worker that goes on serving while another program comes in the guardian's place. */
static void tell_serving(struct guardian *g, pid_t holder, int holder_pidfd)
{
	g->area->serving = g->pid;
	g->area->serving_pidfd = g->pidfd;
	g->area->serving_thread = g->thread;
	g->area->holder = holder;
	g->area->holder_pidfd = holder_pidfd;
	g->area->signal_fd = g->signal_fd;
}

/* Execute another program. Returns if it cannot be; then this one goes on. */
static void execute(struct guardian *g,
		    void (*put)(void *ctx, unsigned int generation, struct handover_reason *why),
		    struct handover_reason *why)
{
	int r;

	if (g->stopping) /* for the next one to see */
		(void)kill(getpid(), SIGTERM);
	watchdog_over_exec(g->plan->watchdog, true);
	r = keep_fds_over_exec(true);
	if (r == 0)
		put(g->plan->ctx, g->generation, why);
	else
		(void)snprintf(why->text, sizeof(why->text), "cannot keep what is open: %s",
			       strerror(-r));
	(void)!keep_fds_over_exec(false);
	watchdog_over_exec(g->plan->watchdog, false);
}

/* The worker is gone, and everybody waits. */
static void execute_last(struct guardian *g,
			 void (*put)(void *ctx, unsigned int generation,
				     struct handover_reason *why),
			 struct handover_reason *why)
{
	spare_end(&g->spare);
	g->area->serving = 0;
	/*
	 * Of one that was killed while it was to leave a thread may wait for the next one still, and have this table, which execution
	 * leaves to it: with all that is open, and the ledger's locks, for which the next one would wait.
	 */
	log_disconnect();
	(void)!keep_close_others();
	while (keep_close_left(1))
		;
	keep_fd_drop(g->signal_fd);
	keep_fd_drop(g->area->said_fd);
	urgent_wait(); /* until the other program has forked its worker: it has little to do */
	execute(g, put, why);
	urgent_begin();
	keep_fd(g->area->said_fd);
	keep_fd(g->signal_fd);
}

void succession_replace(struct guardian *g)
{
	struct handover_reason why = { .text = "" };

	execute_last(g, g->plan->replace, &why);
	tell_refused(g, &why);
}

/* The worker serves meanwhile, and until the other program has one that waits. */
static void go_first(struct guardian *g)
{
	struct handover_reason why = { .text = "" };

	tell_serving(g, g->spare.pid, g->spare.pidfd);
	execute(g, g->plan->replace, &why);
	g->area->serving = g->area->holder = 0;
	tell_refused(g, &why);
}

/*
 * That one's descriptors are not this table's any more then, whatever it opens: who waits holds them, until they can be fetched.
 */
static bool can_go_first(const struct guardian *g)
{
	return g->thread >= 0 && spare_holds(&g->spare) &&
	       keep_can_fetch_fds(g->plan->keep, g->spare.pidfd);
}

/* Whether the last upgrade is over: not before a worker has answered what it found, or there is none to go back to. */
static bool is_settled(const struct guardian *g)
{
	return !g->leaving && !g->checked && !g->foreign && atomic_load(&g->area->ready) &&
	       atomic_load(&g->area->settled);
}

void succession_ask(struct guardian *g)
{
	struct handover_reason why = {
		.text = "the kernel cannot send requests again (Linux 6.9 can)"
	};
	int r = -EOPNOTSUPP;

	if (!is_settled(g))
		return; /* that it is will be told */
	atomic_store(&g->area->covered, atomic_load(&g->area->asked));
	if (atomic_load(&g->area->replaceable))
		r = g->plan->check(g->plan->ctx, g->thread >= 0 ? g->thread : g->pidfd, &why);
	if (r == -EINTR)
		return; /* everybody waits for the next one; that it has settled will be told */
	if (r < 0) {
		tell_refused(g, &why);
		(void)kill(g->pid, HANDOVER_SIGNAL);
		return;
	}
	g->checked = true;
	g->warm_mono_ns = clock_ns(CLOCK_MONOTONIC) + WARM_NS;
	spare_want(&g->spare);
}

/* Who is to go on, or to hold what there is, has its memory; or that takes too long. */
static bool is_time(const struct guardian *g)
{
	return !g->leaving && !g->stopping && atomic_load(&g->area->ready) &&
	       (spare_is_ready(&g->spare) || g->warm_mono_ns <= clock_ns(CLOCK_MONOTONIC));
}

void succession_go_on(struct guardian *g)
{
	if (g->foreign && is_time(g))
		have_leave(g);
	if (!g->checked || !is_time(g))
		return;
	g->checked = false;
	urgent_begin();
	if (can_go_first(g)) {
		go_first(g);
		(void)kill(g->pid, HANDOVER_SIGNAL); /* it has been refused */
	} else {
		spare_end(&g->spare); /* of another program */
		have_leave(g);
	}
}

/* Whether its end makes room for another program; else it has ended for good, or died. */
bool succession_has_left(const struct guardian *g)
{
	return g->leaving && !atomic_load(&g->area->ended);
}

/* Who still waits for the upgrade is told what became of it. Returns if that fails. */
void succession_go_back(struct guardian *g)
{
	struct handover_reason why = {
		.text = "the new program's workers died before they had answered; the one before goes on"
	};

	atomic_store(&g->area->done, g->done_before);
	refuse(g, atomic_load(&g->area->asked), &why);
	execute_last(g, g->plan->go_back, &why);
	log_warning("cannot go back to the program before: %s", why.text);
}

int succession_holder(const struct guardian *g)
{
	return g->area->holder ? g->area->holder_pidfd : -1;
}

static void end_holder(struct guardian *g)
{
	if (!g->area->holder)
		return;
	(void)kill(g->area->holder, SIGKILL); /* collect() has it later */
	keep_fd_drop(g->area->holder_pidfd);
	(void)close(g->area->holder_pidfd);
	g->area->holder = 0;
}

void succession_end(struct guardian *g)
{
	end_holder(g);
	g->area->serving = 0;
	g->foreign = false;
}

/*
 * The worker of the program before died before it had left: the ledger is still locked by what it had open, and a thread of it may have
 * that open for as long as it waits for the next worker. Who has the same descriptors closes them.
 */
static void have_closed(struct guardian *g)
{
	struct pollfd said = { .fd = g->area->said_fd, .events = POLLIN };
	int64_t until = clock_ns(CLOCK_MONOTONIC) + NS_PER_S;
	uint64_t n;

	spare_tell_holder(g->area);
	while (atomic_load(&g->area->go) != SPARE_HAS_CLOSED && clock_ns(CLOCK_MONOTONIC) < until) {
		(void)poll(&said, 1, 100);
		(void)!read(g->area->said_fd, &n, sizeof(n));
	}
}

static void stop_worker(pid_t pid)
{
	const struct timespec poll_time = { .tv_nsec = STOP_POLL_NS };
	int64_t until = clock_ns(CLOCK_MONOTONIC) + STOP_NS;
	siginfo_t info = { 0 };

	(void)kill(pid, SIGSTOP);
	while (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       !info.si_pid && clock_ns(CLOCK_MONOTONIC) < until)
		(void)nanosleep(&poll_time, NULL);
}

/* Nobody has them but the worker, which would take them with it when it leaves. So it is had to stand still, and killed. */
void succession_holder_gone(struct guardian *g)
{
	log_warning("who held the descriptors of worker pid=%d is gone; replacing it", (int)g->pid);
	stop_worker(g->pid);
	log_disconnect(); /* that number may be another's */
	g->fetched = keep_fetch_fds(g->plan->keep, g->pid, g->pidfd);
	(void)kill(g->pid, SIGKILL);
	end_holder(g);
}

/* What the worker of the program before kept since this program was executed. */
int succession_fetch(struct guardian *g)
{
	int r = g->fetched;

	log_disconnect();
	if (g->area->holder && !atomic_load(&g->area->left))
		have_closed(g);
	if (g->area->holder)
		r = keep_fetch_fds(g->plan->keep, g->area->holder, g->area->holder_pidfd);
	succession_end(g);
	spare_watch(&g->spare);
	if (r < 0)
		log_error("cannot have what the program before has opened: error=%s",
			  log_errname(r));
	return r;
}

/*
 * A worker of the program before serves. It is to leave when one of this program waits. Until then nothing is opened for longer here:
 * the number may be that of what is to be fetched.
 */
void succession_adopt(struct guardian *g)
{
	g->pid = g->area->serving;
	g->pidfd = g->area->serving_pidfd;
	g->thread = g->area->serving_thread;
	g->signal_fd = g->area->signal_fd;
	g->start_mono_ns = clock_ns(CLOCK_MONOTONIC);
	g->warm_mono_ns = g->start_mono_ns + WARM_NS;
	g->foreign = true;
	g->spare.alone = true;
	g->spare.due_mono_ns = 0;
	spare_look(&g->spare);
}
