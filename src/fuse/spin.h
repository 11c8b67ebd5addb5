/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the next request a moment longer before going to sleep. Where client and reader run on two CPUs, the
 * next request of a busy client comes some 20 us after the answer; to be woken for it costs the reader as much
 * again, on a virtual machine. Where they share one CPU, looking only keeps the client from running. Which of the two it
 * is shows in whether looking is of use: so it goes on while it is, and is tried now and then while it is not.
 *
 * One object for each reader, used by its thread alone. All zero is a good start.
 */
#ifndef FUSE_SPIN_H
#define FUSE_SPIN_H

#include <stdbool.h>

struct spin {
	unsigned int credit; /* of the last looks that found a request, and not */
	unsigned int served; /* requests since the last look */
};

/* Look for a request on `device_fd`, if that promises something. Then read it, with or without success. */
void spin_wait(struct spin *s, int device_fd);

#endif
