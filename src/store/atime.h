/* SPDX-License-Identifier: MIT */
/*
 * How reading moves access times. FUSE leaves that to the daemon, and the kernel, reading for it, goes by the mount that
 * the backing file was opened through; which is the administrator's, and says relatime as a rule.
 */
#ifndef STORE_ATIME_H
#define STORE_ATIME_H

#include "store/store.h"

enum atime_wish {
	ATIME_AS_MOUNTED, /* as the mount says that the store is on */
	ATIME_NEVER,	  /* noatime */
	ATIME_ALWAYS,	  /* strictatime */
};

/*
 * From now on what is opened in the store is read that way. For a directory its descriptors get a mount of their own (a
 * clone, which nobody else sees and which goes with them), under the same numbers. For who opens the store, before
 * anybody reads in it. 0, or -errno and all is as it was: -EPERM (CAP_SYS_ADMIN), -ENOSYS (before Linux 5.12), ...
 */
int atime_set(struct store *st, enum atime_wish wish) WARN_UNUSED;

#endif
