/* SPDX-License-Identifier: MIT */
#include "store/atime.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

static int set_attributes(int fd, uint64_t atime)
{
	struct mount_attr attr = { .attr_set = atime, .attr_clr = MOUNT_ATTR__ATIME };

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

/* The directory `name` of the clone takes the place, and the number, of a descriptor that others know already. */
static int replace(int clone_fd, const char *name, int fd)
{
	_cleanup_close_ int fresh =
		openat(clone_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fresh < 0 || dup3(fresh, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static int clone_mount(struct store *st, uint64_t atime)
{
	_cleanup_close_ int fd = (int)syscall(SYS_open_tree, st->fd, "",
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	int r = fd < 0 ? -errno : set_attributes(fd, atime);

	if (r == 0)
		r = replace(fd, "tree", st->tree_fd);
	if (r == 0)
		r = replace(fd, "trash", st->trash_fd);
	if (r == 0)
		r = replace(fd, "blobs", st->blobs_fd);
	return r < 0 ? r : replace(fd, ".", st->fd);
}

int atime_set(struct store *st, enum atime_wish wish)
{
	uint64_t atime = wish == ATIME_NEVER ? MOUNT_ATTR_NOATIME : MOUNT_ATTR_STRICTATIME;

	if (wish == ATIME_AS_MOUNTED)
		return 0;
	return st->memory ? set_attributes(st->fd, atime) : clone_mount(st, atime);
}
