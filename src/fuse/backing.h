/* SPDX-License-Identifier: MIT */
/*
 * Passthrough: backing files registered with the FUSE connection, by backing id. The kernel reads, writes
 * and maps such a file without asking us.
 *
 * Files are registered from O_PATH descriptors: the kernel opens the file anew for each client, and the
 * registration by itself counts neither as an open (store/lease.h) nor against the limit of descriptors. So
 * ids stay registered after the last close, for the next open to find, in bounded number.
 */
#ifndef FUSE_BACKING_H
#define FUSE_BACKING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "util/macro.h"

/* Ids kept for closed files. Source: what a busy mount reopens soon; about 1 KiB of kernel memory each. */
#define BACKING_WARM 4096

/*
 * The ioctls of /dev/fuse. Source: linux/fuse.h, protocol 7.40 (Linux 6.9); declared here because the
 * headers of older distributions lack them.
 */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_IOC_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_IOC_CLOSE _IOW(229, 2, uint32_t)

struct backing;
struct itable;
struct inode;

int backing_new(struct itable *itable, struct backing **ret) WARN_UNUSED;
void backing_free(struct backing *b);

/* The descriptor of the connection, once it is known. -1: no more calls. */
void backing_set_device(struct backing *b, int device_fd);

/* Register the file behind `fd`. Returns the id (> 0) or -errno: -EPERM, -ELOOP (stacked), -EOPNOTSUPP... */
int backing_register(struct backing *b, int fd) WARN_UNUSED;
/* 0 is no id: nothing happens. */
void backing_unregister(struct backing *b, int backing_id);

/* Nobody has the inode open, and it keeps its id; another one gives up its own for it. INODE_WARM is set. */
void backing_keep(struct backing *b, struct inode *inode);

#endif
