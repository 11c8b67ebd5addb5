/* SPDX-License-Identifier: MIT */
/*
 * Backing ids. The ring of kept ids names inodes by node id, so an inode that was forgotten meanwhile is
 * not touched.
 */
#include "fuse/backing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "fuse/itable.h"
#include "util/cleanup.h"

struct backing {
	struct itable *itable; /* borrowed, constant */
	_Atomic int device_fd; /* borrowed */
	_Atomic uint32_t next;
	_Atomic uint64_t ring[BACKING_WARM]; /* node ids; 0: free */
};

int backing_new(struct itable *itable, struct backing **ret)
{
	struct backing *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->itable = itable;
	atomic_init(&b->device_fd, -1);
	*ret = b;
	return 0;
}

void backing_free(struct backing *b)
{
	free(b);
}

void backing_set_device(struct backing *b, int device_fd)
{
	atomic_store(&b->device_fd, device_fd);
}

int backing_register(struct backing *b, int fd)
{
	struct backing_map map = { .fd = fd };
	int id = ioctl(atomic_load(&b->device_fd), BACKING_IOC_OPEN, &map);

	return id < 0 ? -errno : id;
}

void backing_unregister(struct backing *b, int backing_id)
{
	uint32_t id = (uint32_t)backing_id;
	int fd = id ? atomic_load(&b->device_fd) : -1;

	if (fd >= 0) /* without a device it is gone with the connection */
		(void)ioctl(fd, BACKING_IOC_CLOSE, &id);
}

void backing_keep(struct backing *b, struct inode *inode)
{
	uint32_t at = atomic_fetch_add(&b->next, 1) % BACKING_WARM;
	uint64_t old = atomic_exchange(&b->ring[at], itable_nodeid(b->itable, inode));
	struct inode *other = old ? itable_ref(b->itable, old) : NULL;
	int id = 0;

	if (!other)
		return;
	{
		LOCK_SCOPE(itable_lock(b->itable, other));
		if (other->nopen == 0 && other != inode)
			id = inode_take_backing(other);
		atomic_fetch_and(&other->flags, ~(uint32_t)INODE_WARM);
	}
	backing_unregister(b, id);
	itable_unref(b->itable, other);
}
