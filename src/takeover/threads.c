/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc/PID/task/TID.
 */
#include "takeover/threads.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

/* false: there is no such file any more, or it is not for us. */
static bool read_file(pid_t pid, pid_t tid, const char *name, char *buf, size_t len)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, len - 1);
	buf[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

/* The number behind `field` in a text of lines "field:\tnumber"; 0: there is none. */
static uint64_t number_of(const char *text, const char *field, int base)
{
	const char *at = strstr(text, field);

	return at ? strtoull(at + strlen(field), NULL, base) : 0;
}

/* A name may have blanks and brackets in it; what follows has none. */
static bool read_stat(pid_t pid, struct thread_state *t)
{
	char text[1024];
	uint64_t user, system;
	const char *from;
	const char *to;

	if (!read_file(pid, t->tid, "stat", text, sizeof(text)))
		return false;
	from = strchr(text, '(');
	to = strrchr(text, ')');
	if (!from || !to ||
	    sscanf(to + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &t->state, &user, &system) != 3)
		return false;
	(void)snprintf(t->name, sizeof(t->name), "%.*s", (int)(to - from - 1), from + 1);
	t->cpu_ticks = user + system;
	return true;
}

static void read_kernel(pid_t pid, struct thread_state *t)
{
	char text[4096];

	if (read_file(pid, t->tid, "status", text, sizeof(text))) {
		t->switches = number_of(text, "\nvoluntary_ctxt_switches:", 10) +
			      number_of(text, "\nnonvoluntary_ctxt_switches:", 10);
		t->blocked = number_of(text, "\nSigBlk:", 16);
		t->traced = number_of(text, "\nTracerPid:", 10) > 0;
	}
	if (read_file(pid, t->tid, "wchan", t->wchan, sizeof(t->wchan)) &&
	    strcmp(t->wchan, "0") == 0)
		t->wchan[0] = '\0';
}

size_t threads_look(pid_t pid, struct thread_state *ret, size_t max)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *d;
	char path[32];
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && n < max && (d = readdir(dir))) {
		struct thread_state t = { .tid = atoi(d->d_name) };

		if (t.tid <= 0 || !read_stat(pid, &t))
			continue;
		read_kernel(pid, &t);
		ret[n++] = t;
	}
	return n;
}
