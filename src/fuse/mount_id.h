/* SPDX-License-Identifier: MIT */
/*
 * Which mount is ours: what is at the mountpoint may be gone, dead, or another one by now.
 */
#ifndef FUSE_MOUNT_ID_H
#define FUSE_MOUNT_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

/* What is mounted at a path: an id of the kernel's. */
struct mount_id {
	uint64_t id;
	bool unique; /* never given to another mount (Linux 6.8); else soon given again */
	dev_t device;
};

/* Of what is mounted last at `path`, without asking its daemon. 0 or -errno. */
int mount_id_read(const char *path, struct mount_id *ret) WARN_UNUSED;

/*
 * Whether our mount is what is at the mountpoint: it may have been unmounted from outside, and there may be another one by
 * now, with its id if that was not unique. gone: the kernel has ended the connection; aborted, it is still there, and dead.
 */
bool mount_id_is_there(const struct mount_id *id, const char *mountpoint, bool gone);

#endif
