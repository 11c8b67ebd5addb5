/* SPDX-License-Identifier: MIT */
/*
 * A direct-mapped cache: the nodeid picks the slot, a newcomer replaces an idle occupant. A slot that is
 * dropped while in use is closed by its last user.
 */
#include "store/dircache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "util/cleanup.h"
#include "util/lock.h"

struct slot {
	uint64_t nodeid;      /* 0: free, or dropped and waiting for its last user */
	struct handle handle; /* which directory: a node may get another one */
	int fd;
	uint32_t users;
};

struct dircache {
	int mount_fd;	  /* borrowed, constant */
	struct lock lock; /* rank LOCK_DIRCACHE: all slots */
	struct slot slots[DIRCACHE_SLOTS];
	struct dircache_counts counts; /* lock */
};

int dircache_new(int mount_fd, struct dircache **ret)
{
	struct dircache *dc = calloc(1, sizeof(*dc));

	if (!dc)
		return -ENOMEM;
	dc->mount_fd = mount_fd;
	lock_init(&dc->lock, LOCK_DIRCACHE);
	for (size_t i = 0; i < DIRCACHE_SLOTS; i++)
		dc->slots[i].fd = -1;
	*ret = dc;
	return 0;
}

void dircache_free(struct dircache *dc)
{
	if (!dc)
		return;
	for (size_t i = 0; i < DIRCACHE_SLOTS; i++)
		(void)safe_close(dc->slots[i].fd);
	lock_done(&dc->lock);
	free(dc);
}

/* Fibonacci hashing: node ids are consecutive in their low and high halves. */
static struct slot *slot_of(struct dircache *dc, uint64_t nodeid)
{
	return &dc->slots[(nodeid * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
}
_Static_assert(DIRCACHE_SLOTS == 1 << (64 - 55), "slot_of() takes the top bits");

int dircache_get(struct dircache *dc, uint64_t nodeid, const struct handle *h, struct dirref *ret)
{
	struct slot *s = slot_of(dc, nodeid);
	int evicted = -1;
	int fd;

	{
		LOCK_SCOPE(&dc->lock);
		if (s->nodeid == nodeid && handle_equal(&s->handle, h)) {
			s->users++;
			dc->counts.hits++;
			*ret = (struct dirref){ .fd = s->fd, .slot = (int)(s - dc->slots) };
			return 0;
		}
		dc->counts.misses++;
	}

	fd = handle_open(dc->mount_fd, h, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	{
		LOCK_SCOPE(&dc->lock);
		if (s->users > 0) { /* the slot is busy: this one is for one use */
			*ret = (struct dirref){ .fd = fd, .slot = -1 };
			return 0;
		}
		evicted = s->fd;
		*s = (struct slot){ .nodeid = nodeid, .handle = *h, .fd = fd, .users = 1 };
		*ret = (struct dirref){ .fd = fd, .slot = (int)(s - dc->slots) };
	}
	(void)safe_close(evicted);
	return 0;
}

void dircache_put(struct dircache *dc, struct dirref *ref)
{
	int closing = -1;

	if (ref->slot < 0) {
		ref->fd = safe_close(ref->fd);
		return;
	}
	{
		struct slot *s = &dc->slots[ref->slot];
		LOCK_SCOPE(&dc->lock);

		if (--s->users == 0 && s->nodeid == 0)
			closing = TAKE_FD(s->fd);
	}
	(void)safe_close(closing);
	ref->fd = -1;
}

void dircache_count(struct dircache *dc, struct dircache_counts *ret)
{
	LOCK_SCOPE(&dc->lock);
	*ret = dc->counts;
}

void dircache_drop(struct dircache *dc, uint64_t nodeid)
{
	struct slot *s = slot_of(dc, nodeid);
	int closing = -1;

	{
		LOCK_SCOPE(&dc->lock);
		if (s->nodeid != nodeid)
			return;
		s->nodeid = 0;
		if (s->users == 0)
			closing = TAKE_FD(s->fd);
	}
	(void)safe_close(closing);
}
