/* SPDX-License-Identifier: MIT */
/*
 * The table of mounts, as the calling thread sees it. Looking there touches no path: nothing is asked of what
 * is mounted, no automount is made, nothing waits for one that is being made or taken down.
 */
#ifndef UTIL_MOUNTTAB_H
#define UTIL_MOUNTTAB_H

#include <stdbool.h>

#include "util/macro.h"

/*
 * Whether a filesystem of this type is what is mounted last at `path` (absolute, resolved): 1 or 0; its source,
 * malloc()ed, in *ret_source if that is not NULL. -errno if the table cannot be read, as -EMFILE.
 */
int mounttab_is_at(const char *path, const char *type, char **ret_source) WARN_UNUSED;

/* Whether the filesystem with this device number is mounted anywhere, and that can be told. */
bool mounttab_has_device(unsigned int major, unsigned int minor);

/* The same of a table that is open, /proc/PID/mountinfo, read from its beginning. */
bool mounttab_fd_has_device(int fd, unsigned int major, unsigned int minor);

/* Whether a filesystem of this type with this source is mounted anywhere, and that can be told. */
bool mounttab_has(const char *type, const char *source);

#endif
