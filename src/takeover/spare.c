/* SPDX-License-Identifier: MIT */
/*
 * Woken by the futex `go` in the area that all have.
 */
#include "takeover/spare.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/urgent.h"
#include "takeover/warm.h"
#include "takeover/worker.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* When a worker serves, or one could not be had. Sources: those who have waited come first; and it may be so for long. */
#define SOON_NS (3 * NS_PER_MS)
#define AGAIN_NS (10 * NS_PER_S)

static void plan(struct spare *s, int64_t in_ns)
{
	s->due_mono_ns = clock_ns(CLOCK_MONOTONIC) + in_ns;
}

static void forget(struct spare *s)
{
	keep_fd_drop(s->pidfd);
	s->pidfd = safe_close(s->pidfd);
	s->pid = 0;
}

void spare_want(struct spare *s)
{
	if (!s->pid && s->due_mono_ns == INT64_MAX)
		plan(s, SOON_NS);
}

void spare_gone(struct spare *s)
{
	(void)waitpid(s->pid, NULL, WNOHANG);
	forget(s);
	plan(s, AGAIN_NS);
}

void spare_end(struct spare *s)
{
	s->due_mono_ns = INT64_MAX;
	if (!s->pid)
		return;
	(void)kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	forget(s);
}

void spare_watch(struct spare *s)
{
	s->alone = false;
	if (!s->pid)
		return;
	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	keep_fd(s->pidfd);
	if (s->pidfd < 0 && errno == ESRCH)
		spare_gone(s);
	else if (s->pidfd < 0)
		spare_end(s);
}

void spare_look(struct spare *s)
{
	struct worker_area *area = worker_area(s->plan->keep);
	pid_t guardian = getpid();
	pid_t pid;

	if (s->pid || clock_ns(CLOCK_MONOTONIC) < s->due_mono_ns)
		return;
	plan(s, AGAIN_NS);
	atomic_store(&area->spare_tid, 0);
	atomic_store(&area->spare_warm, false);
	atomic_store(&area->go, 0);
	log_disconnect(); /* as for a worker */
	warm_note();
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		worker_wait(s->plan, guardian);
	if (pid < 0)
		return;
	s->pid = pid;
	s->due_mono_ns = INT64_MAX;
	if (!s->alone)
		spare_watch(s);
}

bool spare_is_ready(const struct spare *s)
{
	return s->pid && atomic_load(&worker_area(s->plan->keep)->spare_warm);
}

bool spare_holds(const struct spare *s)
{
	struct pollfd gone = { .fd = s->pidfd, .events = POLLIN };

	return spare_is_ready(s) && s->pidfd >= 0 && poll(&gone, 1, 0) == 0;
}

static void tell(struct worker_area *area, int32_t go)
{
	atomic_store(&area->go, go);
	(void)syscall(SYS_futex, &area->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void spare_tell_holder(struct worker_area *area)
{
	tell(area, SPARE_CLOSES);
}

pid_t spare_take(struct spare *s, unsigned int generation, int *ret_pidfd)
{
	struct worker_area *area = worker_area(s->plan->keep);
	struct pollfd gone = { .fd = s->pidfd, .events = POLLIN };
	int32_t tid = s->pid ? atomic_load(&area->spare_tid) : 0;
	pid_t pid = s->pid;

	if (!tid || poll(&gone, 1, 0) != 0)
		return 0;
	urgent_thread(tid, false);
	(void)kill(pid, SIGCONT); /* as a worker that starts nobody would miss it, see watchdog.h */
	atomic_store(&area->number, generation);
	tell(area, tid);
	*ret_pidfd = s->pidfd;
	s->pid = 0;
	s->pidfd = -1;
	return pid;
}
