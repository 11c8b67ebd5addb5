/* SPDX-License-Identifier: MIT */
/*
 * Directory streams.
 */
#include "util/dir.h"

#include <errno.h>
#include <fcntl.h>

#include "util/cleanup.h"

bool dir_is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

int dir_from_fd(int fd, DIR **ret)
{
	DIR *dir = fdopendir(fd);
	int err = errno;

	if (!dir) {
		(void)safe_close(fd);
		return -err;
	}
	*ret = dir;
	return 0;
}

int dir_open(int dirfd, const char *name, DIR **ret)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : dir_from_fd(fd, ret);
}
