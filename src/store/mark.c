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
	[MARK_AUTO] = MARK_PREFIX "auto",     [MARK_TTL] = MARK_PREFIX "ttl",
	[MARK_PINNED] = MARK_PREFIX "pinned", [MARK_BOOT] = MARK_PREFIX "boot",
	[MARK_EPOCH] = MARK_PREFIX "epoch",   [MARK_TIME] = MARK_PREFIX "time",
	[MARK_UNTOLD] = MARK_PREFIX "untold", [MARK_PLACE] = MARK_PREFIX "place",
};

/* Longest value with its NUL. Source: 19 digits. */
#define VALUE_BYTES 24

/* n: what getxattr(2) said of `text`. */
static int parse_value(ssize_t n, char text[VALUE_BYTES], int64_t *ret)
{
	uint64_t value;

	if (n < 0)
		return errno == ERANGE ? -EINVAL : -errno;
	text[n] = '\0';
	if (parse_u64(text, &value) < 0 || value > INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)value;
	return 0;
}

int mark_get(int fd, enum mark mark, int64_t *ret)
{
	struct procfd path = procfd(fd);
	char text[VALUE_BYTES];

	return parse_value(getxattr(path.name, mark_names[mark], text, sizeof(text) - 1), text,
			   ret);
}

static int read_marks(const char *name, const char *names, size_t len, struct marks *ret)
{
	char text[VALUE_BYTES];

	for (const char *at = names; at < names + len; at += strlen(at) + 1) {
		for (int i = 0; i < MARK_MAX_; i++) {
			if (strcmp(at, mark_names[i]) == 0)
				ret->has[i] =
					parse_value(lgetxattr(name, at, text, sizeof(text) - 1),
						    text, &ret->value[i]) == 0;
		}
	}
	return 0;
}

int marks_read(const char *name, struct marks *ret)
{
	_cleanup_free_ char *large = NULL;
	char names[512];
	ssize_t n = llistxattr(name, names, sizeof(names));

	*ret = (struct marks){ 0 };
	if (n >= 0)
		return read_marks(name, names, (size_t)n, ret);
	if (errno != ERANGE)
		return errno == EOPNOTSUPP ? 0 : -errno;
	large = malloc(XATTR_LIST_MAX);
	if (!large)
		return -ENOMEM;
	n = llistxattr(name, large, XATTR_LIST_MAX);
	return n < 0 ? -errno : read_marks(name, large, (size_t)n, ret);
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
	if (mark == MARK_TTL || mark == MARK_PINNED)
		return sync_inode(fd);
	return 0; /* losing it costs a tidy name, some hashing, some of a lifetime */
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
