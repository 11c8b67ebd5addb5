/* SPDX-License-Identifier: MIT */
/*
 * The name is a random one: process IDs are the same in many containers, and files stay of those that were killed.
 */
#include "part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "undo.h"
#include "util/cleanup.h"

static void unlink_part(void *arg)
{
	const struct part *p = arg;

	(void)unlinkat(p->dirfd, p->name, 0);
}

/* Takes over the directory, and the name. */
static int begin(struct part *p, int dirfd, char *target)
{
	uint64_t number;

	p->dirfd = dirfd;
	p->target = target;
	if (dirfd < 0 || !target)
		return -ENOMEM;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	(void)snprintf(p->name, sizeof(p->name), ".baton-%016" PRIx64 ".part", number);
	undo_begin(unlink_part, p);
	p->fd = openat(dirfd, p->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (p->fd >= 0)
		return 0;
	p->name[0] = '\0';
	undo_end();
	return -errno;
}

int part_open_at(struct part *p, int dirfd, const char *target)
{
	return begin(p, fcntl(dirfd, F_DUPFD_CLOEXEC, 0), strdup(target));
}

int part_open(struct part *p, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	_cleanup_free_ char *dir = strdup(real ? real : path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	char *target = strdup(slash ? slash + 1 : real ? real : path);
	struct stat st;
	int fd;

	if (real && stat(real, &st) == 0 && !S_ISREG(st.st_mode)) {
		free(target);
		p->fd = open(path, O_WRONLY | O_CLOEXEC); /* of a directory: EISDIR */
		return p->fd < 0 ? -errno : 0;
	}
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		free(target);
		return -errno;
	}
	return begin(p, fd, target);
}

int part_commit(struct part *p)
{
	int fd = p->fd;

	p->fd = -1;
	if (close(fd) < 0)
		return -errno;
	if (p->dirfd >= 0 && renameat(p->dirfd, p->name, p->dirfd, p->target) < 0)
		return -errno;
	undo_end();
	p->name[0] = '\0';
	return 0;
}

void part_drop(struct part *p)
{
	int saved = errno;

	if (p->name[0]) {
		unlink_part(p);
		undo_end();
	}
	p->fd = safe_close(p->fd);
	p->dirfd = safe_close(p->dirfd);
	free(p->target);
	p->target = NULL;
	p->name[0] = '\0';
	errno = saved;
}
