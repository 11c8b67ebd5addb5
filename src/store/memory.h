/* SPDX-License-Identifier: MIT */
/*
 * A store in memory: a tmpfs with huge pages in a mount namespace of this process alone, so that it can be
 * reached through batonfs and in no other way, and goes when the process goes.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

/* Where the tmpfs is mounted in the private namespace; the empty directory is made if need be. */
#define MEMORY_PATH "/run/batonfs"

/* A mount namespace, and the root directory in it, which differs from the namespace's own after a chroot(2). */
struct memory_place {
	int ns_fd;
	int root_fd;
};

#define MEMORY_NOWHERE ((struct memory_place){ -1, -1 })

/* The mount namespaces of the process: descriptors owned. */
struct memory_ns {
	struct memory_place host;  /* where it was started, where the mount belongs */
	struct memory_place inner; /* where the store is */
};

/* Bytes of memory this process may use: the machine's, or its control group's limit if that is less. */
uint64_t memory_total_bytes(void);

/*
 * Make the namespace, enter it, mount a tmpfs of size_bytes at MEMORY_PATH. *ret_huge tells whether it
 * gives huge pages (huge=within_size). Needs CAP_SYS_ADMIN: -EPERM. The calling thread must be the only one.
 */
int memory_mount(uint64_t size_bytes, struct memory_ns *ret_ns, bool *ret_huge) WARN_UNUSED;

/* Move the calling thread (no other); its working directory becomes /. Needs CAP_SYS_CHROOT. 0 or -errno. */
int memory_leave(const struct memory_ns *ns) WARN_UNUSED;
int memory_enter(const struct memory_ns *ns) WARN_UNUSED;

void memory_done(struct memory_ns *ns);

#endif
