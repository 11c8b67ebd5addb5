/* SPDX-License-Identifier: MIT */
/*
 * As /proc shows them: the kernel tells a parent of the last one only, and one may hang.
 */
#include "takeover/ending.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "takeover/urgent.h"
#include "util/cleanup.h"

/* Not in the headers; source: linux/sched.h. Set when a thread has left its last system call. */
#define PF_EXITING 0x4

/* A name may have blanks and brackets in it; what follows has none. */
static bool is_ending(pid_t pid, pid_t tid, bool gone)
{
	_cleanup_close_ int fd = -1;
	unsigned int flags;
	const char *at;
	char text[256];
	char state;
	ssize_t n;

	(void)snprintf(text, sizeof(text), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return true;
	/* The first thread stays as a zombie until the last one is gone. */
	return state == 'Z' || state == 'X' || (!gone && flags & PF_EXITING);
}

int ending_status(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	const char *at;
	char text[1024];
	ssize_t n;
	int status;

	(void)snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strrchr(text, ' '); /* exit_code is the last one */
	status = at ? atoi(at) : 0;
	return status ? status : -1;
}

bool ending_is_in_order(const struct worker_area *area)
{
	return atomic_load(&area->ended) || !atomic_load(&area->tid);
}

bool ending_has_threads(const struct worker_area *area, pid_t pid, bool takes_long)
{
	bool gone = ending_is_in_order(area);
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	bool left = false;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid <= 0 || worker_area_may_hang(area, tid) || is_ending(pid, tid, gone))
			continue;
		urgent_thread(tid, takes_long);
		left = true;
	}
	return left;
}
