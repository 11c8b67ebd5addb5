/* SPDX-License-Identifier: MIT */
/*
 * File handles, copied in and out of the kernel's variable-length struct file_handle.
 */
#include "store/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

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

int handle_open(int mount_fd, const struct handle *h, int flags)
{
	union kernel_handle k = { .h = { .handle_bytes = h->len, .handle_type = h->type } };
	int fd;

	if (h->len == 0)
		return -ESTALE;
	memcpy(k.h.f_handle, h->bytes, h->len);
	fd = open_by_handle_at(mount_fd, &k.h, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool handle_equal(const struct handle *a, const struct handle *b)
{
	return a->type == b->type && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
