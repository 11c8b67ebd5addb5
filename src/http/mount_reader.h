/* SPDX-License-Identifier: MIT */
/*
 * Reading files of the mount, which is the process's root, in a thread of its own: so that a mount which hangs costs an
 * answer that says so, and not all of them. One question at a time, by one thread.
 */
#ifndef HTTP_MOUNT_READER_H
#define HTTP_MOUNT_READER_H

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* Longest text, bytes. Source: 50 000 executions. */
#define MOUNT_READER_MAX ((size_t)16 << 20)

struct mount_reader;

/* 0, -ENOMEM, -errno. It lasts as long as the process. */
int mount_reader_new(struct mount_reader **ret) WARN_UNUSED;

/*
 * What a file says: malloc()ed. -ETIMEDOUT: the mount does not answer in time, or has not yet since that; -ENOTCONN: nobody
 * serves it any more; -EFBIG; -errno.
 */
int mount_reader_ask(struct mount_reader *r, const char *file, int64_t timeout_ns, char **ret,
		     size_t *ret_len) WARN_UNUSED;

#endif
