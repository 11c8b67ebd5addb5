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

/* All zero: free. Most are not touched where there are few directories. */
struct slot {
	uint64_t nodeid;      /* 0: free, or dropped and waiting for its last user */
	struct handle handle; /* which directory: a node may get another one */
	int next_fd;	      /* its descriptor + 1; 0: there is none */
	uint32_t users;
};

struct dircache {
	/* Constant. */
	int mount_fd; /* borrowed */
	unsigned int bits;
	struct dircache_upcalls up;

	struct lock lock;	       /* rank LOCK_DIRCACHE: all slots */
	struct dircache_counts counts; /* lock */
	bool ended;		       /* lock: nothing is kept any more */
	size_t hand;		       /* lock: where dircache_shrink() goes on */
	struct slot slots[];	       /* lock; 1 << bits */
};

static size_t nslots(const struct dircache *dc)
{
	return (size_t)1 << dc->bits;
}

static void nothing(int fd)
{
	(void)fd;
}

int dircache_new(int mount_fd, uint64_t fds, const struct dircache_upcalls *up,
		 struct dircache **ret)
{
	unsigned int bits = DIRCACHE_MIN_BITS;
	struct dircache *dc;

	while (bits < DIRCACHE_MAX_BITS && fds >> (bits + 1))
		bits++;
	dc = calloc(1, sizeof(*dc) + sizeof(struct slot) * ((size_t)1 << bits));
	if (!dc)
		return -ENOMEM;
	dc->mount_fd = mount_fd;
	dc->bits = bits;
	dc->up = up ? *up : (struct dircache_upcalls){ nothing, nothing };
	lock_init(&dc->lock, LOCK_DIRCACHE);
	*ret = dc;
	return 0;
}

static void close_directory(const struct dircache *dc, int fd)
{
	if (fd < 0)
		return;
	dc->up.closes(fd);
	(void)safe_close(fd);
}

/* -1: it has none. */
static int take_fd(struct slot *s)
{
	int fd = s->next_fd - 1;

	s->next_fd = 0;
	return fd;
}

void dircache_free(struct dircache *dc)
{
	if (!dc)
		return;
	for (size_t i = 0; i < nslots(dc); i++)
		close_directory(dc, take_fd(&dc->slots[i]));
	lock_done(&dc->lock);
	free(dc);
}

/* Fibonacci hashing: node ids are consecutive in their low and high halves. */
static struct slot *slot_of(struct dircache *dc, uint64_t nodeid)
{
	return &dc->slots[(nodeid * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - dc->bits)];
}

/* Use what was opened, and keep it, if that may be. What is to be closed for it, or -1. */
static int put_in(struct dircache *dc, uint64_t nodeid, const struct handle *h, int fd,
		  struct dirref *ret)
{
	struct slot *s = slot_of(dc, nodeid);
	int evicted;

	LOCK_SCOPE(&dc->lock);
	if (s->users > 0 || dc->ended) { /* the slot is busy: this one is for one use */
		*ret = (struct dirref){ .fd = fd, .slot = -1 };
		return -1;
	}
	evicted = take_fd(s);
	*s = (struct slot){ .nodeid = nodeid, .handle = *h, .next_fd = fd + 1, .users = 1 };
	*ret = (struct dirref){ .fd = fd, .slot = (int)(s - dc->slots) };
	dc->up.opened(fd);
	return evicted;
}

int dircache_get(struct dircache *dc, uint64_t nodeid, const struct handle *h, struct dirref *ret)
{
	struct slot *s = slot_of(dc, nodeid);
	int fd;

	{
		LOCK_SCOPE(&dc->lock);
		if (s->nodeid == nodeid && handle_equal(&s->handle, h)) {
			s->users++;
			dc->counts.hits++;
			*ret = (struct dirref){ .fd = s->next_fd - 1,
						.slot = (int)(s - dc->slots) };
			return 0;
		}
		dc->counts.misses++;
	}

	fd = handle_open(dc->mount_fd, h, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	close_directory(dc, put_in(dc, nodeid, h, fd, ret));
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
			closing = take_fd(s);
	}
	close_directory(dc, closing);
	ref->fd = -1;
}

/* The next one that nobody uses, among the next `*looks` slots; -1: there is none. */
static int take_next(struct dircache *dc, size_t *looks)
{
	LOCK_SCOPE(&dc->lock);
	while (*looks > 0) {
		struct slot *s = &dc->slots[dc->hand++ % nslots(dc)];

		(*looks)--;
		if (s->next_fd == 0 || s->users > 0)
			continue;
		s->nodeid = 0;
		return take_fd(s);
	}
	return -1;
}

void dircache_shrink(struct dircache *dc, size_t looks)
{
	while (looks > 0)
		close_directory(dc, take_next(dc, &looks));
}

void dircache_end(struct dircache *dc)
{
	{
		LOCK_SCOPE(&dc->lock);
		dc->ended = true;
	}
	dircache_shrink(dc, nslots(dc));
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
			closing = take_fd(s);
	}
	close_directory(dc, closing);
}
