/* SPDX-License-Identifier: MIT */
/*
 * What a directory is good for, asked before anything is written to it.
 */
#ifndef STORE_DIRPROBE_H
#define STORE_DIRPROBE_H

#include "util/macro.h"

/* Of the filesystem behind fd: "ext4", "tmpfs", "unknown", ...; a constant string. */
const char *dirprobe_filesystem(int fd);

/* 1: the directory has no entries, but for what mkfs leaves; 0, -errno. */
int dirprobe_empty(int fd) WARN_UNUSED;

/*
 * Whether files of the directory can be opened by handle. 0; -EOPNOTSUPP: the filesystem has no handles, or too large
 * ones; -EPERM: no privilege to open by them; -errno.
 */
int dirprobe_handles(int fd) WARN_UNUSED;

#endif
