/* SPDX-License-Identifier: MIT */
/*
 * Attributes, asked for before somebody needs them. What is read, written or mapped in passthrough makes the kernel
 * forget a file's attributes, so the fstat(2) of whoever opens it next would be a round trip. A moment after the last
 * close, a thread of ours asks for them through the mount, as any client would; the kernel then keeps the
 * answer. While clients are busy it waits: they come first.
 *
 * Not those of a file that has had several names. When the kernel hears that a name is gone it counts the file's names down by one,
 * from whatever it had been told; had it been told what there is without the name, in an answer that came in between, it takes the file for one
 * without a name, and refuses to link it.
 */
#ifndef FUSE_REFRESH_H
#define FUSE_REFRESH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

struct fs;
struct inode;
struct refresh;

/*
 * For the filesystem mounted at `mountpoint`, with this device number. Starts the thread, in the host's mount
 * namespace, and returns when it is ready. While it runs, the filesystem outlives its last unmount for as long as it
 * takes to notice that. 0, -ESTALE (it is not mounted there any more), or another -errno.
 */
int refresh_new(struct fs *fs, const char *mountpoint, dev_t device, struct refresh **ret)
	WARN_UNUSED;
/* Joins the thread; it may be waiting for an answer through the mount, so requests must still be served. */
void refresh_stop(struct refresh *r);
/* When no thread uses it any more. refresh_free(NULL) is a no-op. */
void refresh_free(struct refresh *r);
static inline void refresh_freep(struct refresh **r)
{
	refresh_free(*r);
}

/*
 * Have the thread look up `path`, from the root of the mount, before anything else, and wait until it has, for 20 ms at
 * most. For one thread at a time, and none that requests may have to wait for. 0,
 * -ETIMEDOUT, -ESHUTDOWN, or what the look-up failed with.
 */
int refresh_look(struct refresh *r, const char *path);

/* Whether this thread is the refresher, and this a file whose attributes it is not to be told: -EINTR then. */
bool refresh_must_not_know(struct fs *fs, pid_t asks, const struct inode *inode);

/* The last open of this regular file is closed. Costs one system call at most; the oldest hint makes room. */
void refresh_closed(struct refresh *r, uint64_t nodeid);

#endif
