/* SPDX-License-Identifier: MIT */
/*
 * Facts about the machine and this process, for `baton doctor`. Nothing is changed by asking. Text goes
 * to `buf`, at most `len` bytes including the NUL.
 */
#ifndef TOOLS_PROBE_H
#define TOOLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* Can /dev/fuse be opened for reading and writing? 0 or negative errno. */
int probe_fuse_device(void) WARN_UNUSED;

struct probe_kernel {
	char release[65]; /* Source: struct new_utsname, 64 bytes and the NUL */
	unsigned int major;
	unsigned int minor;
};

int probe_kernel(struct probe_kernel *ret) WARN_UNUSED;

/* A line KEY=... of the configuration in /boot; -ENOENT if it has none, or cannot be read. */
int probe_kernel_config(const struct probe_kernel *k, const char *key, char *buf, size_t len)
	WARN_UNUSED;

/* The first line of a file of /proc or /sys; the second, the rest of the first line that begins with `key`. */
int probe_setting(const char *file, char *buf, size_t len) WARN_UNUSED;
int probe_setting_of(const char *file, const char *key, char *buf, size_t len) WARN_UNUSED;

/* Is what is mounted at "/" shared with other mount namespaces? 1, 0, or negative errno. */
int probe_shared_root(void) WARN_UNUSED;

/* In this process's effective set. */
bool probe_cap_sys_admin(void);

/* Is this process outside the initial user namespace? */
bool probe_user_namespace(void);

/* "docker", "podman", "kubernetes", ...; NULL if nothing shows a container. */
const char *probe_container(void);

/* The setting in brackets of transparent_hugepage/shmem_enabled; -ENOENT if the kernel has none. */
int probe_shmem_huge(char *buf, size_t len) WARN_UNUSED;

/* The type of the filesystem `dir` is on, by name, or as a hexadecimal number. */
int probe_filesystem(const char *dir, char *buf, size_t len) WARN_UNUSED;

/* Does that filesystem give file handles? 0, -EOPNOTSUPP, -ENOSYS, or an error of the path. */
int probe_handles(const char *dir) WARN_UNUSED;

#endif
