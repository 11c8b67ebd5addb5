/* SPDX-License-Identifier: MIT */
/*
 * Is a backing file in use by anybody, open or mapped, through the mount or beside it? The kernel knows:
 * it grants a write lease (fcntl(2), F_SETLEASE) exactly when nobody else has the file open, and a mapping
 * keeps the file open. A descriptor opened with O_PATH does not count, so a backing id registered from one
 * does not either.
 */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include <stdbool.h>

#include "store/handle.h"

/*
 * 1 in use, 0 not in use at this moment, -errno (-ESTALE: gone; -ENOMEM: it is, and its number is just given to
 * another file). Blocks for no one: the lease is given
 * back at once. SIGIO must be ignored or blocked in the process.
 */
int lease_in_use(int mount_fd, const struct handle *h) WARN_UNUSED;

/*
 * The same for writing only: 1 if somebody has it open for writing, or mapped from such a descriptor (also
 * privately). Readers do not count.
 */
int lease_writable(int mount_fd, const struct handle *h) WARN_UNUSED;

#endif
