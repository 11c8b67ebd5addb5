/* SPDX-License-Identifier: MIT */
/*
 * The directory that a store in memory spills to:
 *
 *     DIR/            mode 0700, root's
 *       lock          "batonfs spill, format 1\n", then where it is mounted; flock()ed by that process
 *       blobs/        see store/blob_away.h
 *
 * A store in memory ends with its process, so what an earlier one left here belongs to nothing, and goes when the
 * next one opens it. Opening and closing is for main; free space may be asked by any thread.
 */
#ifndef STORE_SPILLDIR_H
#define STORE_SPILLDIR_H

#include <stdint.h>

#include "store/store.h"

struct spilldir {
	/* All constant after spilldir_open(). In a process that takes the place of another: as that had it. */
	char *path; /* owned; absolute, resolved */
	int fd;	    /* -1: there is none */
	int lock_fd;
	int blobs_fd;
	const char *filesystem; /* a constant string */
};

#define SPILLDIR_NONE ((struct spilldir){ .fd = -1, .lock_fd = -1, .blobs_fd = -1 })

/*
 * `path`: a directory of root's that is empty, or was one of these; made private, locked, and emptied of
 * blobs. For the mount at `mountpoint`. On failure nothing is changed, *error says what is wrong and what to do, and
 * the result is -EBUSY (another process has it), -ENOENT, -ENOTDIR, -ENOTEMPTY (something else), -EPERM (not
 * root's, or no privilege), -EPROTONOSUPPORT (format of a newer version), -EOPNOTSUPP (filesystem unsuitable: handles,
 * leases and nameless files are needed) or another -errno.
 */
int spilldir_open(const char *path, const char *mountpoint, struct spilldir *ret,
		  struct store_error *error) WARN_UNUSED;

/* Where that other process has it mounted, or had: malloc()ed; NULL if that cannot be told. */
char *spilldir_user(const char *path);

/* One whose path and descriptors are another's, who has opened it: nothing is looked at or emptied. */
void spilldir_adopt(struct spilldir *d);

/* Empties it first. Also one that was never opened. */
void spilldir_close(struct spilldir *d);

#endif
