/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc/.../mounts.
 */
#include "util/mounttab.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static FILE *open_table(void)
{
	return setmntent("/proc/thread-self/mounts", "re");
}

int mounttab_is_at(const char *path, const char *type, char **ret_source)
{
	_cleanup_free_ char *source = NULL;
	FILE *f = open_table();
	bool found = false;
	struct mntent *m;
	int r = f ? 0 : -errno;

	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_dir, path) != 0)
			continue;
		found = strcmp(m->mnt_type, type) == 0;
		free(source);
		source = found ? strdup(m->mnt_fsname) : NULL;
	}
	if (f && ferror(f))
		r = -EIO;
	if (f)
		(void)endmntent(f);
	if (r < 0)
		return r;
	if (ret_source)
		*ret_source = TAKE_PTR(source);
	return found;
}

bool mounttab_has(const char *type, const char *source)
{
	FILE *f = open_table();
	bool found = false;
	struct mntent *m;

	while (f && !found && (m = getmntent(f)))
		found = strcmp(m->mnt_type, type) == 0 && strcmp(m->mnt_fsname, source) == 0;
	if (f)
		(void)endmntent(f);
	return found;
}

static bool table_has_device(FILE *f, unsigned int major, unsigned int minor)
{
	_cleanup_free_ char *line = NULL;
	unsigned int have_major, have_minor;
	bool found = false;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) >= 0)
		found = sscanf(line, "%*d %*d %u:%u ", &have_major, &have_minor) == 2 &&
			have_major == major && have_minor == minor;
	return found;
}

bool mounttab_has_device(unsigned int major, unsigned int minor)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/thread-self/mountinfo", "re");

	return table_has_device(f, major, minor);
}

bool mounttab_fd_has_device(int fd, unsigned int major, unsigned int minor)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_fclose_ FILE *f = copy >= 0 ? fdopen(copy, "r") : NULL;

	if (f)
		rewind(f);
	else
		(void)safe_close(copy);
	return table_has_device(f, major, minor);
}
