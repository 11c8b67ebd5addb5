/* SPDX-License-Identifier: MIT */
/*
 * As /proc shows them: the kernel tells a parent of the last one only, and one may hang.
 */
#include "takeover/ending.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "takeover/urgent.h"
#include "util/cleanup.h"

/* The first thread stays as a zombie until the last one is gone. */
static bool is_zombie(pid_t tid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[32];
	char state = 'Z';

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	f = fopen(path, "re");
	return !f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z' || state == 'X';
}

bool ending_has_threads(const struct worker_area *area, pid_t pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	bool left = false;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid <= 0 || (tid == pid ? is_zombie(tid) : worker_area_may_hang(area, tid)))
			continue;
		urgent_thread(tid);
		left = true;
	}
	return left;
}
