/* SPDX-License-Identifier: MIT */
/*
 * File handles, copied in and out of the kernel's variable-length struct file_handle.
 */
#include "store/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

/*
 * The kernel answers ENOMEM, not ESTALE, for a handle whose inode number it is just giving to a new file
 * (iget_locked() of ext4 and btrfs finds an inode that is being created). That is over when the new file has
 * its name, which may take a disk access and, on a machine that stands still, seconds; real want of memory
 * lasts. So it is asked again: at once, then after pauses that grow from the first to the longest, as many
 * times as make two seconds. Likewise if somebody has a lease on it just now, to see whether it is in use (lease.h).
 */
#define RETRIES 220
#define PAUSE_FIRST_NS (10 * NS_PER_US)
#define PAUSE_LONGEST_NS (10 * NS_PER_MS)

union kernel_handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + HANDLE_MAX];
};

int handle_at(int dirfd, const char *name, struct handle *ret)
{
	union kernel_handle k = { .h.handle_bytes = HANDLE_MAX };
	int mount_id;

	if (name_to_handle_at(dirfd, name, &k.h, &mount_id, *name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	ret->type = k.h.handle_type;
	ret->len = (uint8_t)k.h.handle_bytes;
	memcpy(ret->bytes, k.h.f_handle, k.h.handle_bytes);
	return 0;
}

static void pause_before(int retry)
{
	struct timespec pause = {
		.tv_nsec = MIN_OF(PAUSE_FIRST_NS * retry * retry, PAUSE_LONGEST_NS),
	};

	(void)nanosleep(&pause, NULL); /* shorter if interrupted: it is only a pause */
}

int handle_try_open(int mount_fd, const struct handle *h, int flags)
{
	union kernel_handle k = { .h = { .handle_bytes = h->len, .handle_type = h->type } };
	int fd;

	if (h->len == 0)
		return -ESTALE;
	memcpy(k.h.f_handle, h->bytes, h->len);
	fd = open_by_handle_at(mount_fd, &k.h, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int handle_open(int mount_fd, const struct handle *h, int flags)
{
	int fd = handle_try_open(mount_fd, h, flags);

	for (int i = 0; (fd == -ENOMEM || fd == -EWOULDBLOCK) && i < RETRIES; i++) {
		pause_before(i);
		fd = handle_try_open(mount_fd, h, flags);
	}
	return fd;
}

bool handle_equal(const struct handle *a, const struct handle *b)
{
	return a->type == b->type && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
