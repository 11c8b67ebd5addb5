/* SPDX-License-Identifier: MIT */
/*
 * Niceness and slice are a thread's in Linux, and inherited by those that it starts.
 */
#include "takeover/urgent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

/*
 * Whoever has a shorter slice than who runs need not wait for its end (Linux 6.12; nothing to others). Source: the
 * shortest that there is.
 */
#define SLICE_NS (NS_PER_MS / 10)

/* As linux/sched/types.h has it, which cannot be had beside older sched.h: SCHED_ATTR_SIZE_VER0. */
struct attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns; /* the slice; 0: as everybody's */
	uint64_t deadline_ns;
	uint64_t period_ns;
};
_Static_assert(sizeof(struct attributes) == 48, "SCHED_ATTR_SIZE_VER0");

/* Of real time, the least: before all that is not. */
#define RT_PRIORITY 1

/* Not in the headers of every release; source: linux/sched.h of Linux 3.14. What the thread starts has nothing of it. */
#define RESET_ON_FORK 1

/* A thread's time without a sleep. */
static const struct rlimit start_limit = {
	.rlim_cur = URGENT_START_NS / 1000,
	.rlim_max = RLIM_INFINITY,
};

static const struct rlimit no_limit = {
	.rlim_cur = RLIM_INFINITY,
	.rlim_max = RLIM_INFINITY,
};

static bool get(pid_t tid, struct attributes *ret)
{
	return syscall(SYS_sched_getattr, tid, ret, sizeof(*ret), 0) == 0;
}

static int set(pid_t tid, const struct attributes *attr)
{
	return (int)syscall(SYS_sched_setattr, tid, attr, 0);
}

/* Of whatever policy and niceness. */
static void set_nice(pid_t tid, int nice, uint64_t slice_ns)
{
	const struct attributes attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER, /* of idle policy it would starve */
		.nice = nice,
		.runtime_ns = slice_ns,
	};

	(void)set(tid, &attr);
}

static int set_real_time(pid_t tid, uint64_t flags)
{
	const struct attributes attr = {
		.size = sizeof(attr),
		.policy = SCHED_FIFO,
		.flags = flags,
		.priority = RT_PRIORITY,
	};

	return set(tid, &attr);
}

/*
 * Niceness counts among the processes of a session only, where the kernel makes a group of each (sched_autogroup); what
 * the group gets is said here.
 */
static void change_session(pid_t pid, int from, int to)
{
	_cleanup_close_ int fd = -1;
	char text[64];
	ssize_t n;
	int nice;

	(void)snprintf(text, sizeof(text), "/proc/%d/autogroup", (int)pid);
	fd = open(text, O_RDWR | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "/autogroup-%*d nice %d", &nice) != 1 || nice != from)
		return;
	n = snprintf(text, sizeof(text), "%d", to);
	(void)!pwrite(fd, text, (size_t)n, 0);
}

/* Whether the calling thread has the niceness that is here for the taking. */
static bool is_plain(const struct attributes *now)
{
	return now->policy == SCHED_OTHER && (now->nice == 0 || now->nice == URGENT_NICENESS);
}

static bool waits(const struct attributes *now)
{
	return now->policy == SCHED_FIFO && now->priority == RT_PRIORITY;
}

void urgent_begin(void)
{
	struct attributes now = { .size = sizeof(now) };

	if (get(0, &now) && (is_plain(&now) || waits(&now)))
		set_nice(0, URGENT_NICENESS, SLICE_NS);
}

/*
 * In the thread that has had its time. The kernel has put off the limit by a second, for all threads: that is taken back before
 * this one gives way to them, and once more, for a tick in between has done the same.
 */
static void tired(int signo)
{
	int saved = errno;

	(void)signo;
	(void)prlimit(0, RLIMIT_RTTIME, &start_limit, NULL);
	set_nice(0, URGENT_NICENESS, SLICE_NS);
	(void)prlimit(0, RLIMIT_RTTIME, &start_limit, NULL);
	errno = saved;
}

/* No thread of this process is in real time for longer. Whether that can be had. */
static bool limit_real_time(void)
{
	struct sigaction sa = { .sa_handler = tired, .sa_flags = SA_RESTART };

	return sigaction(SIGXCPU, &sa, NULL) == 0 && setrlimit(RLIMIT_RTTIME, &start_limit) == 0;
}

/* Not by way of urgent_begin(): who waits would lose his CPU there. */
void urgent_start(void)
{
	struct attributes now = { .size = sizeof(now) };

	if (!get(0, &now) || !(is_plain(&now) || waits(&now)))
		return;
	if (!limit_real_time() || set_real_time(0, 0) < 0)
		urgent_begin();
}

void urgent_uninterrupted(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGXCPU);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void urgent_session(pid_t pid)
{
	change_session(pid, 0, URGENT_NICENESS);
}

/* One that was given a niceness of its own since has its slice from here still, or is in real time. */
static void end(pid_t tid)
{
	struct attributes now = { .size = sizeof(now) };
	int nice = getpriority(PRIO_PROCESS, (id_t)tid);

	if (get(tid, &now) && (now.policy == SCHED_OTHER || waits(&now)))
		set_nice(tid, nice == URGENT_NICENESS ? 0 : nice, 0);
}

void urgent_soon(pid_t tid)
{
	struct attributes now = { .size = sizeof(now) };

	if (get(tid, &now) && now.policy == SCHED_OTHER && now.nice == 0)
		set_nice(tid, 0, SLICE_NS);
}

/*
 * The calling thread last: as any other it would have to wait behind those that are in real time still, until the kernel takes
 * pity on it after most of a second, and so would all that has its turn already.
 */
void urgent_end(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/task");
	pid_t self = (pid_t)syscall(SYS_gettid);
	const struct dirent *d;

	change_session(getpid(), URGENT_NICENESS, 0);
	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid > 0 && tid != self)
			end(tid);
	}
	end(self);
}

static void change_others(bool real_time)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/task");
	pid_t self = (pid_t)syscall(SYS_gettid);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid > 0 && tid != self && (!real_time || set_real_time(tid, 0) < 0))
			set_nice(tid, URGENT_NICENESS, SLICE_NS);
	}
}

void urgent_process(void)
{
	change_others(false);
}

void urgent_stop(void)
{
	change_others(limit_real_time());
}

void urgent_thread(pid_t tid, bool takes_long)
{
	if (takes_long || set_real_time(tid, 0) < 0)
		set_nice(tid, URGENT_NICENESS, SLICE_NS);
}

void urgent_wait(void)
{
	struct attributes now = { .size = sizeof(now) };

	if (!get(0, &now) || !(is_plain(&now) || waits(&now)) || now.flags & RESET_ON_FORK)
		return;
	(void)setrlimit(RLIMIT_RTTIME, &no_limit); /* a program that is executed has no handler */
	if (set_real_time(0, RESET_ON_FORK) < 0)
		urgent_begin();
}

void urgent_wait_end(void)
{
	struct attributes now = { .size = sizeof(now) };

	if (get(0, &now) && (is_plain(&now) || waits(&now)))
		set_nice(0, 0, 0);
}
