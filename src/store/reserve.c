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
	bytes = MAX_OF(MIN_OF(RESERVE_BYTES, sv.f_blocks * sv.f_frsize / SHARE), RESERVE_BYTES_MIN);
	fd = openat(st->fd, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	for (; fd >= 0 && bytes >= RESERVE_BYTES_MIN; bytes -= bytes / 8) {
		if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
			return;
		(void)!ftruncate(fd, 0); /* ext4 keeps the part that fitted */
	}
	log_debug("no reserve error=%s, going without", log_errname(errno));
	if (fd >= 0)
		(void)unlinkat(st->fd, NAME, 0);
}

void reserve_release(const struct store *st)
{
	if (unlinkat(st->fd, NAME, 0) < 0 && errno != ENOENT)
		log_debug("cannot give up the reserve error=%s, ignoring", log_errname(errno));
}
