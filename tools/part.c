/* SPDX-License-Identifier: MIT */
/*
 * The name is a random one: process IDs are the same in many containers, and files stay of those that were killed.
 */
#include "part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
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

/*
 * Where `path` leads; `path` if nothing is there, as behind a link that leads nowhere. It is the kernel that follows a link, or
 * refuses to in a directory that all may write to (fs.protected_symlinks), which realpath(3) would not. 0 or -errno.
 */
static int follow(const char *path, char buf[PATH_MAX], mode_t *ret_mode)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	char link[32];
	struct stat st = { .st_mode = S_IFREG };
	ssize_t n = -1;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0) {
		if (fstat(fd, &st) < 0)
			return -errno;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, buf, PATH_MAX - 1);
	}
	if (n > 0)
		buf[n] = '\0';
	else if (snprintf(buf, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	*ret_mode = st.st_mode;
	return 0;
}

int part_open(struct part *p, const char *path)
{
	char real[PATH_MAX];
	char *target;
	char *slash;
	mode_t mode;
	int r = follow(path, real, &mode);
	int fd;

	if (r < 0)
		return r;
	if (!S_ISREG(mode)) {
		p->fd = open(path, O_WRONLY | O_CLOEXEC); /* of a directory: EISDIR */
		return p->fd < 0 ? -errno : 0;
	}
	slash = strrchr(real, '/');
	target = strdup(slash ? slash + 1 : real);
	if (slash)
		slash[slash == real] = '\0';
	fd = open(slash ? real : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
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
