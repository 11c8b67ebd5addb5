/* SPDX-License-Identifier: MIT */
/*
 * batonfs --clear.
 */
#include "unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mountpoint_check.h"
#include "util/cleanup.h"
#include "util/log.h"

/* End the connection: who waits for an answer gets an error, and a daemon that could not die can. */
static void abort_connection(const char *mountpoint)
{
	_cleanup_close_ int fd = -1;
	struct statx stx;
	char path[64];

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &stx) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", stx.stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		log_warning("cannot end the connection of the mount that hangs, ignoring: %s: %s",
			    path, strerror(errno));
}

int unmount_clear(const char *mountpoint)
{
	_cleanup_free_ char *full = realpath(mountpoint, NULL);

	while (full && mountpoint_is_batonfs(full, NULL)) {
		enum mountpoint_answer answer = mountpoint_ask(full);
		int r;

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
	return 0;
}
