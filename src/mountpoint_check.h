/* SPDX-License-Identifier: MIT */
/*
 * Is the place fit for a mount? Asked before anything is done.
 */
#ifndef MOUNTPOINT_CHECK_H
#define MOUNTPOINT_CHECK_H

#include "util/macro.h"

struct mountpoint_error {
	char text[512];
};

/*
 * Resolve `path` to an absolute one, malloc()ed. What a dead batonfs left mounted there is detached. 0;
 * -ENOENT, -ENOTDIR, -EBUSY (a live batonfs is there), -errno, with *error saying what to do.
 */
int mountpoint_check(const char *path, char **ret, struct mountpoint_error *error) WARN_UNUSED;

/* /dev/fuse can be opened and the process may mount. 0, -ENOENT, -EPERM, -errno. */
int mountpoint_check_device(struct mountpoint_error *error) WARN_UNUSED;

#endif
