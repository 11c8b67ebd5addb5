/* SPDX-License-Identifier: MIT */
/*
 * What is mounted where a mount is wanted, or was. Asked before anything is done. Nothing here waits for the
 * daemon of a mount longer than MOUNTPOINT_PATIENCE_NS.
 */
#ifndef MOUNTPOINT_CHECK_H
#define MOUNTPOINT_CHECK_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/macro.h"

/* A mount that does not say what its root is within this time hangs. Source: that needs no disk; a guess. */
#define MOUNTPOINT_PATIENCE_NS (5 * INT64_C(1000000000))

struct mountpoint_error {
	char text[512];
};

enum mountpoint_answer {
	MOUNTPOINT_ANSWERS,
	MOUNTPOINT_DEAD, /* its daemon is gone */
	MOUNTPOINT_HANGS,
};

/*
 * Make `path`, and what it is in, as mkdir -p does, whatever the umask is. What is there is left as it is, and is not
 * looked at: it may be a mount that hangs. 0, -errno and *error.
 */
int mountpoint_make(const char *path, mode_t mode, struct mountpoint_error *error) WARN_UNUSED;

/*
 * Resolve `path` to an absolute one, malloc()ed. What a dead batonfs left mounted there is detached; one that
 * hangs is for the caller to detach, when nothing else can be refused any more. 0; -ENOENT, -ENOTDIR, -EBUSY
 * (a live batonfs is there), -errno, with *error saying what to do.
 */
int mountpoint_check(const char *path, char **ret, bool *ret_hangs, struct mountpoint_error *error)
	WARN_UNUSED;

/* /dev/fuse can be opened and the process may mount. 0, -ENOENT, -EPERM, -errno. */
int mountpoint_check_device(struct mountpoint_error *error) WARN_UNUSED;

/* Ask the batonfs that is mounted at `path`. Forks: for a process without threads. */
enum mountpoint_answer mountpoint_ask(const char *path);

/* Take away what is mounted last at `path`, in use or not. 0, -errno. */
int mountpoint_detach(const char *path) WARN_UNUSED;

#endif
