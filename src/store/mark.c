/* SPDX-License-Identifier: MIT */
/*
 * Marks on backing files. The calls go through /proc/self/fd, which works for O_PATH descriptors of any
 * file type on every kernel.
 */
#include "store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/parse.h"

static const char *const mark_names[MARK_MAX_] = {
	[MARK_AUTO] = MARK_PREFIX "auto",
	[MARK_TTL] = MARK_PREFIX "ttl",
	[MARK_PINNED] = MARK_PREFIX "pinned",
	[MARK_BOOT] = MARK_PREFIX "boot",
};

int mark_get(int fd, enum mark mark, int64_t *ret)
{
	struct procfd path = procfd(fd);
	char text[24];
	uint64_t value;
	ssize_t n;

	n = getxattr(path.name, mark_names[mark], text, sizeof(text) - 1);
	if (n < 0)
		return errno == ERANGE ? -EINVAL : -errno;
	text[n] = '\0';
	if (parse_u64(text, &value) < 0 || value > INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)value;
	return 0;
}

/* Make the change durable: syncs the inode where the descriptor can be opened for that. */
static int sync_inode(int fd)
{
	struct procfd path = procfd(fd);
	_cleanup_close_ int real = open(path.name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return real < 0 || fsync(real) < 0 ? -errno : 0;
}

int mark_set(int fd, enum mark mark, int64_t value)
{
	struct procfd path = procfd(fd);
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, value);

	if (setxattr(path.name, mark_names[mark], text, (size_t)len, 0) < 0)
		return -errno;
	if (mark == MARK_AUTO || mark == MARK_BOOT) /* losing it costs a tidy name, some hashing */
		return 0;
	return sync_inode(fd);
}

int mark_clear(int fd, enum mark mark)
{
	struct procfd path = procfd(fd);

	if (removexattr(path.name, mark_names[mark]) < 0)
		return errno == ENODATA ? 0 : -errno;
	return sync_inode(fd);
}

bool mark_is_name(const char *xattr_name)
{
	return strncmp(xattr_name, MARK_PREFIX, strlen(MARK_PREFIX)) == 0;
}
