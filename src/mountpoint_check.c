/* SPDX-License-Identifier: MIT */
/*
 * Checks before a mount.
 */
#include "mountpoint_check.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "baton/interface.h"
#include "util/cleanup.h"
#include "util/log.h"

PRINTF(3, 4) static int fail(struct mountpoint_error *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return err;
}

/* Whether a batonfs is what is mounted (last) at `path`. */
static bool is_batonfs(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;
	struct mntent *m;

	if (!f)
		return false;
	while ((m = getmntent(f))) {
		if (strcmp(m->mnt_dir, path) == 0)
			found = strcmp(m->mnt_type, BATON_FSTYPE) == 0;
	}
	(void)endmntent(f);
	return found;
}

/* An absolute path without the help of the directory itself, which does not answer; its parent does. */
static char *absolute(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_free_ char *parent = NULL;
	char *full = NULL;
	char *slash;

	if (!copy)
		return NULL;
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	parent = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (!parent || asprintf(&full, "%s/%s", strcmp(parent, "/") ? parent : "",
				slash ? slash + 1 : copy) < 0)
		return NULL;
	return full;
}

/* The daemon of an earlier mount died: everything there answers ENOTCONN. */
static int detach_dead(const char *path, struct mountpoint_error *error)
{
	_cleanup_free_ char *full = absolute(path);

	if (!full)
		return -ENOMEM;
	if (!is_batonfs(full))
		return fail(error, -EBUSY,
			    "mountpoint %s: a dead mount that is not batonfs's is in the way; "
			    "unmount it with: umount -l %s",
			    path, path);
	if (umount2(full, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return fail(error, -errno,
			    "mountpoint %s: cannot detach the dead batonfs there: %s", path,
			    strerror(errno));
	log_notice("detached the mount of a dead batonfs mountpoint=%s", full);
	return 0;
}

int mountpoint_check(const char *path, char **ret, struct mountpoint_error *error)
{
	_cleanup_free_ char *full = NULL;
	struct stat st;
	int r;

	error->text[0] = '\0';
	while (stat(path, &st) < 0) {
		if (errno == ENOENT)
			return fail(error, -ENOENT,
				    "mountpoint %s does not exist; make it with: mkdir -p %s", path,
				    path);
		if (errno != ENOTCONN)
			return fail(error, -errno, "mountpoint %s: %s", path, strerror(errno));
		r = detach_dead(path, error);
		if (r < 0)
			return r;
	}
	if (!S_ISDIR(st.st_mode))
		return fail(error, -ENOTDIR, "mountpoint %s is not a directory", path);
	full = realpath(path, NULL);
	if (!full)
		return fail(error, -errno, "mountpoint %s: %s", path, strerror(errno));
	if (is_batonfs(full))
		return fail(error, -EBUSY,
			    "mountpoint %s: a batonfs is mounted there already; unmount it with: "
			    "fusermount3 -u %s",
			    path, path);
	*ret = TAKE_PTR(full);
	return 0;
}

int mountpoint_check_device(struct mountpoint_error *error)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return fail(
			error, -ENOENT,
			"/dev/fuse is not there; load the module with modprobe fuse, or give the "
			"container the device (--device /dev/fuse)");
	return fail(
		error, -errno,
		"/dev/fuse: %s; run batonfs as root, in a container with --device /dev/fuse and "
		"--cap-add SYS_ADMIN",
		strerror(errno));
}
