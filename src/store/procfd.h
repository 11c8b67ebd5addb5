/* SPDX-License-Identifier: MIT */
/*
 * /proc/thread-self/fd/N as a path: how an O_PATH descriptor is handed to calls that take only names. Of the
 * thread, because one may have descriptors of its own.
 */
#ifndef STORE_PROCFD_H
#define STORE_PROCFD_H

#include <stdio.h>

struct procfd {
	char name[32];
};

static inline struct procfd procfd(int fd)
{
	struct procfd p;

	(void)snprintf(p.name, sizeof(p.name), "/proc/thread-self/fd/%d", fd);
	return p;
}

#endif
