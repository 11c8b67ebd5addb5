/* SPDX-License-Identifier: MIT */
/*
 * The prober: a process that asks the mount something again and again, as any client could, and counts the answers, so that
 * it can be told whether anybody would get one. It asks for an attribute (PROBER_XATTR) of the directory .baton, which
 * nobody but the daemon knows and the kernel never keeps: a thread has to read it from /dev/fuse and to answer, and needs
 * nothing of the store for that.
 *
 * A process of its own, since whoever waits for an answer cannot be had back. It is nobody, without rights, sees of
 * the filesystem that directory alone, and has nothing open but what it needs. It ends with its parent, and lets go of the
 * filesystem when the mount is taken away.
 */
#ifndef TAKEOVER_PROBER_H
#define TAKEOVER_PROBER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

/* Answered with nothing, and not counted. No filesystem has it; below "security." the kernel asks for no permission first. */
#define PROBER_XATTR "security.batonfs.probe"

struct prober_plan {
	const char *directory; /* absolute; borrowed */
	int64_t every_ns;
	void *ctx;
	int (*enter_host)(void *ctx); /* to where it is mounted. 0 or -errno */
	int (*become_nobody)(void);   /* 0 or -errno */
};

struct prober_counts {
	_Atomic uint64_t begun;
	_Atomic uint64_t answered; /* more of these than of those there are never */
};

struct prober {
	/* owned mapping, shared with the process; NULL: there is none */
	struct prober_counts *counts;
	int fd; /* owned; the process ends when it is closed */
};

#define PROBER_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Fork it; nothing but the calling thread may exist. 0 or -errno. */
int prober_begin(struct prober *p, const struct prober_plan *plan) WARN_UNUSED;

/* It is mounted: ask. Returns when it has what it needs of the filesystem, or some milliseconds later. 0; -errno, and there will be no answers. */
int prober_serve(struct prober *p) WARN_UNUSED;

/* Whether it has ended, for whatever reason. */
bool prober_has_ended(const struct prober *p);

/* The counts stay. */
void prober_end(struct prober *p);

#endif
