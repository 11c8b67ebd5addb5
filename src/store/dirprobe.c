/* SPDX-License-Identifier: MIT */
/*
 * Probes.
 */
#include "store/dirprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "store/handle.h"
#include "util/cleanup.h"
#include "util/dir.h"

/* Not in linux/magic.h of every release; sources: fs/xfs/xfs_log_format.h, fs/zfs. */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

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
};

const char *dirprobe_filesystem(int fd)
{
	struct statfs sfs;

	if (fstatfs(fd, &sfs) == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(filesystems); i++) {
			if ((long)sfs.f_type == filesystems[i].magic)
				return filesystems[i].name;
		}
	}
	return "unknown";
}

int dirprobe_empty(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(fd, ".", &dir);

	if (r < 0)
		return r;
	while ((errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name) && strcmp(d->d_name, "lost+found") != 0)
			return 0;
	}
	return errno ? -errno : 1;
}

int dirprobe_handles(int fd)
{
	struct handle h;
	int again;
	int r = handle_at(fd, "", &h);

	if (r == -EOVERFLOW)
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	again = handle_open(fd, &h, O_PATH);
	if (again < 0)
		return again;
	(void)safe_close(again);
	return 0;
}
