/* SPDX-License-Identifier: MIT */
/*
 * Taking mounts down from outside: programs of their own, which share the binary with the daemon. For main.c.
 */
#ifndef UNMOUNT_H
#define UNMOUNT_H

#include <stdbool.h>

/* Longest wait for a daemon that is going down to give its store back. Source: half of TimeoutStopSec=. */
#define UNMOUNT_WAIT_NS (15 * INT64_C(1000000000))

/* Whether the program was called as `prefix`... ("mount.", "umount."), with or without a path. */
bool unmount_called_as(const char *program, const char *prefix);

/*
 * umount(8)'s helper: unmount, and return when the daemon has given back the store, so that it can be mounted
 * again, or its filesystem be unmounted. Returns the exit status, as umount(8) wants it.
 */
int unmount_helper(int argc, char **argv);

/*
 * batonfs --clear MOUNTPOINT: take away what a batonfs that has died, or hangs, has left there. What answers
 * is left alone. Returns the exit status.
 */
int unmount_clear(const char *mountpoint);

#endif
