/* SPDX-License-Identifier: MIT */
/*
 * Which batonfs is meant: the argument of -m, else BATON_MOUNT, else the only one in
 * /proc/self/mountinfo. Several mountpoints of one batonfs (bind mounts) count as one, and a bind mount
 * of a part of it, where .baton cannot be seen, does not count.
 */
#ifndef TOOLS_MOUNTPOINT_H
#define TOOLS_MOUNTPOINT_H

#include <stddef.h>
#include <stdio.h>

#include "util/cleanup.h"
#include "util/macro.h"

struct mountpoint {
	char *path;   /* owned; octal escapes decoded */
	char *device; /* owned; "MAJOR:MINOR", one per batonfs */
};

struct mountpoint_list {
	struct mountpoint *item; /* owned */
	size_t n;
};

/* Every batonfs in a stream of the form of mountinfo, see proc(5). Returns 0 or -ENOMEM. */
int mountpoint_parse(FILE *mountinfo, struct mountpoint_list *ret) WARN_UNUSED;

/* The same of /proc/self/mountinfo. Returns also the errors of open(2). */
int mountpoint_list(struct mountpoint_list *ret) WARN_UNUSED;
void mountpoint_list_done(struct mountpoint_list *list);

/*
 * The mountpoint meant; `arg` may be NULL. Whether it answers is not checked. On failure the reason has
 * been printed: -ENOENT (none is mounted), -ENOTUNIQ (several are), -ENOMEM, or an error of open(2).
 */
int mountpoint_find(const char *arg, char **ret_path) WARN_UNUSED;

#endif
