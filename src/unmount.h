/* SPDX-License-Identifier: MIT */
/*
 * Taking mounts down from outside: a program of its own, which shares the binary with the daemon. For main.c.
 */
#ifndef UNMOUNT_H
#define UNMOUNT_H

/*
 * batonfs --clear MOUNTPOINT: take away what a batonfs that has died, or hangs, has left there. What answers
 * is left alone. Returns the exit status.
 */
int unmount_clear(const char *mountpoint);

#endif
