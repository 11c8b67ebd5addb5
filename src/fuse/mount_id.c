/* SPDX-License-Identifier: MIT */
#include "fuse/mount_id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "baton/interface.h"
#include "util/mounttab.h"

/* Not in the headers of every release; source: linux/stat.h of Linux 6.8. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

int mount_id_read(const char *path, struct mount_id *ret)
{
	int flags = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct statx stx;

	if (statx(AT_FDCWD, path, flags, STATX_MNT_ID_UNIQUE, &stx) < 0)
		return -errno;
	ret->unique = stx.stx_mask & STATX_MNT_ID_UNIQUE;
	if (!ret->unique && statx(AT_FDCWD, path, flags, STATX_MNT_ID, &stx) < 0)
		return -errno;
	ret->id = stx.stx_mnt_id;
	ret->device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	return 0;
}

/* Nobody will ever answer there. */
static bool is_dead(const char *mountpoint)
{
	struct statfs st;

	return statfs(mountpoint, &st) < 0 && errno == ENOTCONN;
}

/*
 * The table is asked first, if it can be read: the path of an automount that is being taken down leads nowhere until
 * umount(8) is done, which waits for us.
 */
bool mount_id_is_there(const struct mount_id *id, const char *mountpoint, bool gone)
{
	struct mount_id now;

	if (mounttab_is_at(mountpoint, BATON_FSTYPE, NULL) == 0)
		return false;
	if (mount_id_read(mountpoint, &now) < 0 || now.id != id->id)
		return false;
	return now.unique || !gone || is_dead(mountpoint);
}
