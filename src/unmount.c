/* SPDX-License-Identifier: MIT */
/*
 * The umount helper, and --clear.
 */
#include "unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "baton/interface.h"
#include "mountpoint_check.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mounttab.h"

/* Exit codes of umount(8). */
enum {
	UMOUNT_OK = 0,
	UMOUNT_USAGE = 1,
	UMOUNT_FAILED = 32,
};

/* How often a lock is tried. */
#define POLL_NS (10 * NS_PER_MS)

bool unmount_called_as(const char *program, const char *prefix)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, prefix, strlen(prefix)) == 0;
}

/* The letters that umount(8) hands on; flags for umount2(2), or -EINVAL. */
static int parse(int argc, char **argv, const char **ret_mountpoint)
{
	int flags = 0;

	*ret_mountpoint = NULL;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (arg[0] != '-') {
			*ret_mountpoint = arg;
			continue;
		}
		if (strcmp(arg, "-t") == 0 || strcmp(arg, "-N") == 0 || strcmp(arg, "-o") == 0)
			i++;
		else if (arg[strspn(arg, "-lfnvrsc")])
			return -EINVAL;
		flags |= strchr(arg, 'l') ? MNT_DETACH : 0;
		flags |= strchr(arg, 'f') ? MNT_FORCE : 0;
	}
	return *ret_mountpoint ? flags : -EINVAL;
}

/* Until its lock is free, or it is mounted (again, or elsewhere), or the time is over. */
static void wait_for_store(const char *store)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int64_t end = clock_ns(CLOCK_MONOTONIC) + UNMOUNT_WAIT_NS;
	struct timespec ts = { .tv_nsec = POLL_NS };

	if (store[0] != '/' || asprintf(&path, "%s/lock", store) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		if (mounttab_has(BATON_FSTYPE, store))
			return;
		if (clock_ns(CLOCK_MONOTONIC) > end) {
			fprintf(stderr,
				"umount.fuse.batonfs: unmounted, but the store %s is still in use: "
				"by who had files open, or by another mount namespace\n",
				store);
			return;
		}
		(void)nanosleep(&ts, NULL);
	}
}

int unmount_helper(int argc, char **argv)
{
	_cleanup_free_ char *source = NULL;
	const char *mountpoint;
	int flags = parse(argc, argv, &mountpoint);

	if (flags < 0) {
		fprintf(stderr, "usage: umount.fuse.batonfs MOUNTPOINT [-lfnvr] [-t TYPE]\n");
		return UMOUNT_USAGE;
	}
	/* Without it there is no waiting. */
	(void)!mounttab_is_at(mountpoint, BATON_FSTYPE, &source);
	if (umount2(mountpoint, flags | UMOUNT_NOFOLLOW) < 0) {
		fprintf(stderr, "umount: %s: %s\n", mountpoint,
			errno == EBUSY ? "target is busy" : strerror(errno));
		return UMOUNT_FAILED;
	}
	if (source && !(flags & MNT_DETACH))
		wait_for_store(source);
	return UMOUNT_OK;
}

/*
 * End the connection: who waits for an answer gets an error, and a daemon that could not die can. Its number is the
 * mount's device; as long as the mount is held, nobody else gets it.
 */
static void abort_connection(const char *mountpoint)
{
	_cleanup_close_ int held = open(mountpoint, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct statx stx;
	char path[64];

	if (held < 0 || statx(held, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx) < 0 ||
	    stx.stx_dev_major != 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", stx.stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) == 1)
		return;
	/* Containers do not have that: MNT_FORCE does the same, and says then that it is busy, since it is held. */
	if (umount2(mountpoint, MNT_FORCE | UMOUNT_NOFOLLOW) < 0 && errno != EBUSY)
		log_warning("cannot end the connection of the mount that hangs, ignoring: %s: %s",
			    path, strerror(errno));
}

int unmount_clear(const char *mountpoint)
{
	_cleanup_free_ char *full = realpath(mountpoint, NULL);
	int r = 0;

	while (full && (r = mounttab_is_at(full, BATON_FSTYPE, NULL)) > 0) {
		enum mountpoint_answer answer = mountpoint_ask(full);

		if (answer == MOUNTPOINT_ANSWERS)
			break;
		if (answer == MOUNTPOINT_HANGS)
			abort_connection(full);
		r = mountpoint_detach(full);
		if (r < 0) {
			log_error("cannot detach what is mounted at %s: %s", full, strerror(-r));
			return 1;
		}
		log_notice("detached the mount of a batonfs that %s mountpoint=%s",
			   answer == MOUNTPOINT_HANGS ? "hangs" : "has died", full);
	}
	if (r < 0)
		log_error("cannot see what is mounted at %s: %s", full, strerror(-r));
	return r < 0;
}
