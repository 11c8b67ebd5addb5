/* SPDX-License-Identifier: MIT */
/*
 * Looking at mounts without falling into the traps they can be.
 */
#include "mountpoint_check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/interface.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mounttab.h"

PRINTF(3, 4) static int fail(struct mountpoint_error *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return err;
}

/* A child asks: it can be left behind if it is never answered, not even when it is killed. */
enum mountpoint_answer mountpoint_ask(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct pollfd p = { .events = POLLIN };
	struct statx stx;
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return MOUNTPOINT_ANSWERS; /* no reason to take it for dead */
	if (pid == 0) {
		/* Not from the kernel's cache, which outlives the daemon. */
		int r = statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT,
			      STATX_BASIC_STATS, &stx);

		_exit(r < 0 && (errno == ENOTCONN || errno == ECONNABORTED) ? MOUNTPOINT_DEAD
									    : MOUNTPOINT_ANSWERS);
	}
	fd = p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && poll(&p, 1, (int)(MOUNTPOINT_PATIENCE_NS / NS_PER_MS)) == 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, WNOHANG);
		return MOUNTPOINT_HANGS;
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return MOUNTPOINT_ANSWERS;
	return WEXITSTATUS(status);
}

int mountpoint_detach(const char *path)
{
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

/* Each directory on the way to `path`, which is changed and changed back, and `path` itself. */
static int make_directories(char *path, mode_t mode)
{
	int r = 0;

	for (char *p = path + 1; r == 0; p++) {
		char ch = *p;

		if (ch && ch != '/')
			continue;
		*p = '\0';
		if (mkdir(path, mode) < 0 && errno != EEXIST)
			r = -errno;
		*p = ch;
		if (!ch)
			break;
	}
	return r;
}

int mountpoint_make(const char *path, mode_t mode, struct mountpoint_error *error)
{
	_cleanup_free_ char *copy = strdup(path);
	mode_t old = umask(0); /* a daemon's is not for what others have to get through */
	int r = !copy ? -ENOMEM : *copy ? make_directories(copy, mode) : 0;

	(void)umask(old);
	return r < 0 ? fail(error, r, "mountpoint %s: cannot be made: %s", path, strerror(-r)) : 0;
}

/* What earlier ones left: gone, or -EBUSY. */
static int check_earlier(const char *path, const char *full, bool *ret_hangs,
			 struct mountpoint_error *error)
{
	int r;

	while ((r = mounttab_is_at(full, BATON_FSTYPE, NULL)) > 0) {
		enum mountpoint_answer answer = mountpoint_ask(full);

		if (answer == MOUNTPOINT_ANSWERS)
			return fail(
				error, -EBUSY,
				"mountpoint %s: a batonfs is mounted there already; unmount it with: "
				"umount %s",
				path, path);
		if (answer == MOUNTPOINT_HANGS) {
			*ret_hangs = true;
			return 0;
		}
		r = mountpoint_detach(full);
		if (r < 0)
			return fail(error, r,
				    "mountpoint %s: cannot detach the dead batonfs there: %s", path,
				    strerror(-r));
		log_notice("detached the mount of a dead batonfs mountpoint=%s", full);
	}
	if (r < 0)
		return fail(error, r, "mountpoint %s: cannot see what is mounted there: %s", path,
			    strerror(-r));
	return 0;
}

int mountpoint_check(const char *path, char **ret, bool *ret_hangs, struct mountpoint_error *error)
{
	_cleanup_free_ char *full =
		realpath(path, NULL); /* asks no daemon of what is mounted there */
	struct statx stx;
	int flags = AT_NO_AUTOMOUNT;
	int r;

	error->text[0] = '\0';
	*ret_hangs = false;
	if (!full && errno == ENOENT)
		return fail(error, -ENOENT,
			    "mountpoint %s does not exist; make it with: mkdir -p %s", path, path);
	if (!full)
		return fail(error, -errno, "mountpoint %s: %s", path, strerror(errno));
	r = check_earlier(path, full, ret_hangs, error);
	if (r < 0)
		return r;
	if (*ret_hangs)
		flags |= AT_STATX_DONT_SYNC;
	if (statx(AT_FDCWD, full, flags, STATX_TYPE, &stx) < 0)
		return fail(error, -errno, "mountpoint %s: %s%s%s", path, strerror(errno),
			    errno == ENOTCONN ? "; unmount it with: umount -l " : "",
			    errno == ENOTCONN ? path : "");
	if (!S_ISDIR(stx.stx_mode))
		return fail(error, -ENOTDIR, "mountpoint %s is not a directory", path);
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
