/* SPDX-License-Identifier: MIT */
/*
 * The reserve.
 */
#include "store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define NAME "reserve"
#define SHARE 64

void reserve_take(const struct store *st)
{
	_cleanup_close_ int fd = -1;
	struct statvfs sv;
	uint64_t bytes;

	if (st->memory || fstatvfs(st->fd, &sv) < 0)
		return;
	bytes = MIN_OF(RESERVE_BYTES, sv.f_blocks * sv.f_frsize / SHARE);
	fd = openat(st->fd, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && fallocate(fd, 0, 0, (off_t)bytes) == 0)
		return;
	log_debug("no reserve error=%s, going without", log_errname(errno));
	if (fd >= 0)
		(void)unlinkat(st->fd, NAME, 0); /* part of it is worth nothing */
}

void reserve_release(const struct store *st)
{
	if (unlinkat(st->fd, NAME, 0) < 0 && errno != ENOENT)
		log_debug("cannot give up the reserve error=%s, ignoring", log_errname(errno));
}
