/* SPDX-License-Identifier: MIT */
/*
 * Probes.
 */
#include "store/dirprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>

#include "store/handle.h"
#include "util/cleanup.h"
#include "util/dir.h"
#include "util/fstype.h"

const char *dirprobe_filesystem(int fd)
{
	struct statfs sfs;
	const char *name = fstatfs(fd, &sfs) == 0 ? fstype_name((long)sfs.f_type) : NULL;

	return name ? name : "unknown";
}

int dirprobe_empty(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(fd, ".", &dir);

	if (r < 0)
		return r;
	while ((errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name) && strcmp(d->d_name, "lost+found") != 0)
			return 0;
	}
	return errno ? -errno : 1;
}

int dirprobe_handles(int fd)
{
	struct handle h;
	int again;
	int r = handle_at(fd, "", &h);

	if (r == -EOVERFLOW)
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	again = handle_open(fd, &h, O_PATH);
	if (again < 0)
		return again;
	(void)safe_close(again);
	return 0;
}
