/* SPDX-License-Identifier: MIT */
/*
 * Reading directories by descriptor.
 */
#ifndef UTIL_DIR_H
#define UTIL_DIR_H

#include <dirent.h>
#include <stdbool.h>

#include "util/macro.h"

/* "." or "..", which every listing has. */
bool dir_is_dot(const char *name);

/* A stream over the directory `fd`, which it owns from now on; closed if this fails. 0 or -errno. */
int dir_from_fd(int fd, DIR **ret) WARN_UNUSED;

/* A stream over the directory `name` of `dirfd`, not following a symlink. 0 or -errno. */
int dir_open(int dirfd, const char *name, DIR **ret) WARN_UNUSED;

#endif
