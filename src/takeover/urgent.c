/* SPDX-License-Identifier: MIT */
/*
 * Niceness and slice are a thread's in Linux, and inherited by those that it starts.
 */
#include "takeover/urgent.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

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

static void change(pid_t tid, int from, int to, uint64_t slice_ns)
{
	struct attributes attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0) < 0)
		return;
	if (attr.nice != from && slice_ns) /* it has a niceness of its own; */
		return;
	if (attr.nice == from) /* which is no reason to keep a short slice */
		attr.nice = to;
	attr.runtime_ns = slice_ns;
	(void)syscall(SYS_sched_setattr, tid, &attr, 0);
}

/*
 * Niceness counts among the processes of a session only, where the kernel makes a group of each (sched_autogroup); what
 * the group gets is said here.
 */
static void change_session(int from, int to)
{
	_cleanup_close_ int fd = open("/proc/self/autogroup", O_RDWR | O_CLOEXEC);
	char text[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int nice;

	if (n < 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "/autogroup-%*d nice %d", &nice) != 1 || nice != from)
		return;
	n = snprintf(text, sizeof(text), "%d", to);
	(void)!pwrite(fd, text, (size_t)n, 0);
}

void urgent_begin(void)
{
	change(0, 0, URGENT_NICENESS, SLICE_NS);
}

void urgent_session(void)
{
	change_session(0, URGENT_NICENESS);
}

void urgent_soon(pid_t tid)
{
	change(tid, 0, 0, SLICE_NS);
}

void urgent_end(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/task");
	const struct dirent *d;

	change_session(URGENT_NICENESS, 0);
	while (dir && (d = readdir(dir))) {
		if (atoi(d->d_name) > 0)
			change(atoi(d->d_name), URGENT_NICENESS, 0, 0);
	}
}

void urgent_thread(pid_t tid)
{
	struct attributes attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER, /* of idle policy it would starve */
		.nice = URGENT_NICENESS,
		.runtime_ns = SLICE_NS,
	};

	(void)syscall(SYS_sched_setattr, tid, &attr, 0);
}
