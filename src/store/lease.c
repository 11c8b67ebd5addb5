/* SPDX-License-Identifier: MIT */
/*
 * The lease test.
 */
#include "store/lease.h"

#include <errno.h>
#include <fcntl.h>

#include "util/cleanup.h"

/* Is a lease of this kind refused because of others? It is given back at once if not. */
static int refused(int mount_fd, const struct handle *h, int kind)
{
	_cleanup_close_ int fd = handle_try_open(mount_fd, h, O_RDONLY | O_NONBLOCK | O_NOATIME);

	if (fd < 0)
		return fd == -EWOULDBLOCK ? 1 : fd; /* somebody else holds a lease */
	if (fcntl(fd, F_SETLEASE, kind) < 0)
		return errno == EAGAIN ? 1 : -errno;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK); /* closing would do it, too */
	return 0;
}

int lease_in_use(int mount_fd, const struct handle *h)
{
	return refused(mount_fd, h, F_WRLCK);
}

int lease_writable(int mount_fd, const struct handle *h)
{
	return refused(mount_fd, h, F_RDLCK);
}
