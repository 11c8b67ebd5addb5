/* SPDX-License-Identifier: MIT */
/*
 * Marks: what must survive with the tree itself and cannot be derived from it, as trusted.batonfs.*
 * extended attributes of backing files. Invisible and unreachable through the mount.
 *
 *     trusted.batonfs.auto    decimal inode number that the mount shows   directories batonfs made
 *     trusted.batonfs.ttl     decimal nanoseconds                         set by hand; INT64_MAX: never
 *     trusted.batonfs.pinned  "1"                                         set by hand
 *     trusted.batonfs.boot    decimal number                              the store itself; see store/boot.h
 *     trusted.batonfs.epoch   decimal nanoseconds                         likewise
 *     trusted.batonfs.time    decimal nanoseconds                         likewise
 *     trusted.batonfs.untold  decimal nanoseconds                         likewise
 *     trusted.batonfs.place   decimal number                              likewise; see store/place.h
 *     trusted.batonfs.blob    name of a blob                              stubs; see store/stub.h
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

#define MARK_PREFIX "trusted.batonfs."

enum mark {
	MARK_AUTO,
	MARK_TTL,
	MARK_PINNED,
	MARK_BOOT,
	MARK_EPOCH,
	MARK_TIME,
	MARK_UNTOLD,
	MARK_PLACE,
	MARK_MAX_,
};

/* Read a mark of the inode behind `fd` (O_PATH will do). -ENODATA if it has none, -EINVAL if damaged. */
int mark_get(int fd, enum mark mark, int64_t *ret) WARN_UNUSED;

/* All marks of an inode; those that are damaged are as if they were not there. */
struct marks {
	bool has[MARK_MAX_];
	int64_t value[MARK_MAX_];
};

/*
 * Of `name` in the calling thread's working directory, not following a symlink: a quarter of the time that as many
 * mark_get() take. 0 or -errno.
 */
int marks_read(const char *name, struct marks *ret) WARN_UNUSED;

/* Set it. On return it is as durable as the backing filesystem makes an fsynced xattr, if losing it would matter. */
int mark_set(int fd, enum mark mark, int64_t value) WARN_UNUSED;

/* Remove it; not having it is success. */
int mark_clear(int fd, enum mark mark) WARN_UNUSED;

/* Whether the name of an extended attribute is ours to hide. */
bool mark_is_name(const char *xattr_name);

#endif
