/* SPDX-License-Identifier: MIT */
#include "util/fstype.h"

#include <linux/magic.h>
#include <stddef.h>

#include "util/macro.h"

/* Not in linux/magic.h of every release; sources: fs/xfs/xfs_log_format.h, fs/zfs. */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
#define ZFS_MAGIC 0x2fc12fc1

static const struct {
	long magic;
	const char *name;
} filesystems[] = {
	{ TMPFS_MAGIC, "tmpfs" },
	{ EXT4_SUPER_MAGIC, "ext4" },
	{ XFS_SUPER_MAGIC, "xfs" },
	{ BTRFS_SUPER_MAGIC, "btrfs" },
	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
	{ NFS_SUPER_MAGIC, "nfs" },
	{ F2FS_SUPER_MAGIC, "f2fs" },
	{ FUSE_SUPER_MAGIC, "fuse" },
	{ ZFS_MAGIC, "zfs" },
};

const char *fstype_name(long magic)
{
	for (size_t i = 0; i < ARRAY_SIZE(filesystems); i++) {
		if (filesystems[i].magic == magic)
			return filesystems[i].name;
	}
	return NULL;
}
