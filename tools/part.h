/* SPDX-License-Identifier: MIT */
/*
 * A file that appears when it is complete: until then it is beside its place under a name of its own, .baton-*.part,
 * which goes if it fails, and if a signal ends the program.
 */
#ifndef TOOLS_PART_H
#define TOOLS_PART_H

#include "util/macro.h"

struct part {
	int fd;	      /* owned; to be written to */
	int dirfd;    /* owned; its directory; -1: it is no file, and written as it is */
	char *target; /* owned; its name there when it is complete */
	char name[32];
};

#define PART_NONE                                                                                  \
	{                                                                                          \
		.fd = -1, .dirfd = -1                                                              \
	}

/* For the name `target` in the directory `dirfd`; whatever is there will be replaced, and no link followed. */
int part_open_at(struct part *p, int dirfd, const char *target) WARN_UNUSED;

/*
 * For the file where `path` leads, as of now: the working directory may change. What is there and neither file nor
 * directory (a device, a pipe) is opened as it is.
 */
int part_open(struct part *p, const char *path) WARN_UNUSED;

/* It is complete. 0 or negative errno, then nothing is left. */
int part_commit(struct part *p) WARN_UNUSED;

/* Nothing is left, unless it was committed. Preserves errno. */
void part_drop(struct part *p);

#endif
