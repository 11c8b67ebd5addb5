/* SPDX-License-Identifier: MIT */
/*
 * File handles: a name for an inode of the backing filesystem that outlives its path and needs no open
 * descriptor (name_to_handle_at(2)). Handles are values; they own nothing.
 */
#ifndef STORE_HANDLE_H
#define STORE_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util/macro.h"

/*
 * Largest handle kept, bytes. Source: tmpfs 12, ext4 8, XFS 12 to 24, btrfs 20 to 40 (the kernel's
 * fs/.../export.c); store_open() refuses a filesystem that needs more.
 */
#define HANDLE_MAX 40

struct handle {
	int32_t type; /* handle_type of name_to_handle_at(2) */
	uint8_t len;  /* 0: no handle, names nothing */
	uint8_t bytes[HANDLE_MAX];
};

/*
 * The handle of `name` in the directory `dirfd` (not followed if it is a symlink), or of `dirfd` itself
 * if name is "". 0 or -errno; -EOPNOTSUPP or -EOVERFLOW where the filesystem has none that fits.
 */
int handle_at(int dirfd, const char *name, struct handle *ret) WARN_UNUSED;

/*
 * Open the inode. mount_fd: any descriptor of that filesystem that is not O_PATH. flags as open(2),
 * O_CLOEXEC is added. Returns a descriptor the caller owns; -ESTALE if the inode is gone. Blocks for as long
 * as the filesystem gives its number to another file, or somebody has a lease on it: two seconds, then -EWOULDBLOCK.
 */
int handle_open(int mount_fd, const struct handle *h, int flags) WARN_UNUSED;

/* The same, without waiting for that: -ENOMEM or -EWOULDBLOCK then. For who holds a lock. */
int handle_try_open(int mount_fd, const struct handle *h, int flags) WARN_UNUSED;

bool handle_equal(const struct handle *a, const struct handle *b);

#endif
