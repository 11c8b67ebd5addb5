/* SPDX-License-Identifier: MIT */
/*
 * The inode table: an array (inode_array.h) that node ids point into, and a hash by ino (inode_hash.h).
 */
#include "fuse/itable.h"

#include <errno.h>
#include <stdlib.h>

#include "fuse/inode_array.h"
#include "fuse/inode_hash.h"
#include "fuse/request.h"
#include "takeover/format.h"
#include "util/cleanup.h"

/* How far ahead. Source: tried; 4 and 32 do as well. */
#define PREFETCH_INODES 12

/* Locks shared by all inodes. Source: many times the threads; 48 KiB. */
#define STRIPES 1024

_Static_assert(INODE_CHUNK <= ITABLE_SCAN_MAX, "a piece is a chunk");

struct itable {
	/* Constant. */
	bool left_to_take_over; /* but for that; inodes are as the process before left them */
	itable_evict_fn *evict;
	void *ctx; /* borrowed */

	struct lock lock;	  /* rank LOCK_ITABLE */
	struct inode_array array; /* lock, and as it says */
	struct inode_hash hash;	  /* lock */
	_Atomic uint64_t count;	  /* changes under lock */

	struct lock stripes[STRIPES]; /* rank LOCK_INODE */
};

uint64_t itable_nodeid(const struct itable *t, const struct inode *inode)
{
	return (uint64_t)inode->generation << 32 | inode_array_index(&t->array, inode);
}

struct lock *itable_lock(struct itable *t, const struct inode *inode)
{
	return &t->stripes[inode_array_index(&t->array, inode) % STRIPES];
}

uint64_t itable_count(struct itable *t)
{
	return atomic_load(&t->count);
}

/* Counted for an answer. */
static void give_locked(struct itable *t, struct inode *inode)
{
	inode->nlookup++;
	request_fence();
	request_given(itable_nodeid(t, inode));
}

static bool is_known(const struct inode *inode)
{
	return inode->nlookup > 0 || inode->nref > 0;
}

static int find_or_make_locked(struct itable *t, const struct inode *like, struct inode **ret,
			       bool *ret_new)
{
	struct inode *inode = inode_hash_find(&t->hash, like->ino, &like->handle);
	uint32_t generation;
	int r;

	*ret = inode;
	*ret_new = !inode;
	if (inode)
		return 0;
	r = inode_array_take(&t->array, &inode);
	if (r < 0)
		return r;
	generation = inode_array_generation(&t->array);
	*inode = *like;
	inode->nlookup = 0;
	inode->nref = 0;
	inode->nopen = inode->nopen_write = 0;
	inode->nwriting = 0;
	inode->backing_id = 0;
	inode->fd = -1;
	request_fence();
	inode->generation = generation;
	inode_hash_insert(&t->hash, inode, atomic_fetch_add(&t->count, 1) + 1);
	*ret = inode;
	return 0;
}

int itable_lookup(struct itable *t, const struct inode *like, struct inode **ret, bool *ret_new)
{
	int r;

	LOCK_SCOPE(&t->lock);
	r = find_or_make_locked(t, like, ret, ret_new);
	if (r == 0)
		give_locked(t, *ret);
	return r;
}

int itable_know(struct itable *t, const struct inode *like, struct inode **ret, bool *ret_new)
{
	int r;

	LOCK_SCOPE(&t->lock);
	r = find_or_make_locked(t, like, ret, ret_new);
	if (r == 0)
		(*ret)->nref++;
	return r;
}

struct inode *itable_peek(struct itable *t, uint64_t ino, const struct handle *h)
{
	struct inode *inode;

	LOCK_SCOPE(&t->lock);
	inode = inode_hash_find(&t->hash, ino, h);
	if (inode)
		inode->nref++;
	return inode;
}

struct inode *itable_find(struct itable *t, uint64_t nodeid)
{
	uint32_t index = (uint32_t)nodeid;
	struct inode *inode = &t->array.inodes[index];

	/* The kernel names only inodes it holds a lookup on: chunks of those are committed and stay. */
	if (index == 0 || index / INODE_CHUNK >= inode_array_open(&t->array))
		return NULL;
	if (inode->generation != nodeid >> 32 || (!inode->generation && index != INODE_ROOT))
		return NULL; /* forgotten; a free slot has generation 0 */
	return inode;
}

struct inode *itable_ref(struct itable *t, uint64_t nodeid)
{
	struct inode *inode;

	LOCK_SCOPE(&t->lock);
	inode = itable_find(t, nodeid);
	if (!inode || !is_known(inode))
		return NULL;
	inode->nref++;
	return inode;
}

void itable_again(struct itable *t, struct inode *inode)
{
	LOCK_SCOPE(&t->lock);
	give_locked(t, inode);
}

/* Nobody can find it any more. */
static void evict(struct itable *t, struct inode *inode)
{
	t->evict(t->ctx, inode);
	LOCK_SCOPE(&t->lock);
	atomic_fetch_sub(&t->count, 1);
	inode_array_give_back(&t->array, inode);
}

static bool forget_locked(struct itable *t, struct inode *inode, uint64_t n)
{
	if (inode_array_index(&t->array, inode) == INODE_ROOT)
		return false;
	inode->nlookup -= MIN_OF(n, inode->nlookup);
	if (is_known(inode))
		return false;
	inode_hash_remove(&t->hash, inode);
	return true;
}

void itable_forget(struct itable *t, uint64_t nodeid, uint64_t n)
{
	struct inode *inode;

	{
		LOCK_SCOPE(&t->lock);
		request_forgets();
		inode = itable_find(t, nodeid);
		if (!inode || inode->nlookup == 0)
			return; /* never known, or forgotten already: somebody evicts it just now */
		if (!forget_locked(t, inode, n))
			return;
	}
	evict(t, inode);
}

void itable_take_back(struct itable *t, uint64_t nodeid)
{
	struct inode *inode = itable_find(t, nodeid); /* there: a lookup of it is the caller's */

	{
		LOCK_SCOPE(&t->lock);
		request_not_given(nodeid);
		if (!forget_locked(t, inode, 1))
			return;
	}
	evict(t, inode);
}

void itable_unref(struct itable *t, struct inode *inode)
{
	{
		LOCK_SCOPE(&t->lock);
		inode->nref--;
		if (!forget_locked(t, inode, 0))
			return;
	}
	evict(t, inode);
}

bool itable_unref_shared(struct itable *t, struct inode *inode)
{
	LOCK_SCOPE(&t->lock);
	if (inode->nlookup == 0 && inode->nref <= 1)
		return false;
	inode->nref--;
	return true;
}

void itable_orphan(struct itable *t, struct inode *inode)
{
	LOCK_SCOPE(&t->lock);
	atomic_fetch_or(&inode->flags, INODE_ORPHAN);
}

void itable_adopt(struct itable *t, struct inode *inode)
{
	LOCK_SCOPE(&t->lock);
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_ORPHAN);
}

bool itable_rejoin(struct itable *t, struct inode *inode)
{
	LOCK_SCOPE(&t->lock);
	if (inode_hash_find(&t->hash, inode->ino, &inode->handle))
		return false;
	atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_ORPHAN);
	return true;
}

bool itable_scan(struct itable *t, const struct execution *exec, uint32_t *piece,
		 uint64_t ret_ids[ITABLE_SCAN_MAX], uint32_t *ret_n)
{
	uint32_t n = 0;

	LOCK_SCOPE(&t->lock);
	/* Empty chunks have been given back, and slots never used not been had: neither is to be touched. */
	while (*piece < inode_array_open(&t->array) && t->array.chunks[*piece].used == 0)
		++*piece;
	if (*piece >= inode_array_open(&t->array))
		return false;
	for (uint32_t i = 0; i < t->array.chunks[*piece].fresh; i++) {
		struct inode *inode = &t->array.inodes[*piece * INODE_CHUNK + i];

		if (is_known(inode) && atomic_load(&inode->exec) == exec)
			ret_ids[n++] = itable_nodeid(t, inode);
	}
	++*piece;
	*ret_n = n;
	return true;
}

/* ---- from one process to the next ---- */

/* What a process had of an inode is gone with it. */
static void reset(struct inode *inode)
{
	inode->nref = 0;
	inode->nwriting = 0;
	atomic_store(&inode->exec, NULL);
}

/* Its free slots are the chunk's first ones last, so that it fills up from the beginning. */
static void take_over_chunk_locked(struct itable *t, uint32_t chunk)
{
	struct inode_chunk *c = &t->array.chunks[chunk];
	uint32_t first = chunk == 0 ? INODE_ROOT + 1 : 0;

	c->fresh = INODE_CHUNK;
	for (uint32_t i = INODE_CHUNK; i-- > first;) {
		struct inode *inode = &t->array.inodes[chunk * INODE_CHUNK + i];

		if (i >= first + PREFETCH_INODES) /* buckets are anywhere */
			inode_hash_prefetch(&t->hash, inode[-PREFETCH_INODES].ino);
		if (inode->generation && inode->nlookup > 0) {
			reset(inode);
			c->used++;
			inode_hash_insert(&t->hash, inode, atomic_fetch_add(&t->count, 1) + 1);
			continue;
		}
		inode_array_set_free(&t->array, inode);
	}
	inode_array_discard_unused(&t->array, chunk);
}

static void take_over_locked(struct itable *t)
{
	uint64_t n = 0;
	uint32_t end;

	for (uint32_t c = 0; inode_array_next_written(&t->array, &c, &end); c = end)
		n += (uint64_t)(end - c) * INODE_CHUNK;
	inode_hash_presize(&t->hash, n);
	reset(&t->array.inodes[INODE_ROOT]);
	for (uint32_t c = 0; inode_array_next_written(&t->array, &c, &end); c = end) {
		for (uint32_t i = c; i < end; i++)
			take_over_chunk_locked(t, i);
	}
}

void itable_take_over(struct itable *t, void (*each)(void *arg, struct inode *inode), void *arg)
{
	uint32_t open = inode_array_open(&t->array);

	for (uint32_t i = INODE_ROOT + 1; i < open * INODE_CHUNK; i++) {
		if (t->array.chunks[i / INODE_CHUNK].used == 0)
			i = (i / INODE_CHUNK + 1) * INODE_CHUNK - 1;
		else if (t->array.inodes[i].nlookup > 0)
			each(arg, &t->array.inodes[i]);
	}
	t->left_to_take_over = false;
}

int itable_new(struct keep *keep, const struct handle *root, uint64_t root_ino,
	       itable_evict_fn *evict_fn, void *ctx, struct itable **ret)
{
	_cleanup_(freep) struct itable *t = calloc(1, sizeof(*t));
	struct inode *inode;
	int r;

	if (!t)
		return -ENOMEM;
	r = inode_array_init(&t->array, keep);
	if (r == 0)
		r = inode_hash_init(&t->hash, t->array.inodes);
	if (r < 0)
		return r;
	t->evict = evict_fn;
	t->ctx = ctx;
	lock_init(&t->lock, LOCK_ITABLE);
	for (size_t i = 0; i < STRIPES; i++)
		lock_init(&t->stripes[i], LOCK_INODE);

	atomic_store(&t->count, 1);
	*ret = t;
	if (inode_array_open(&t->array) > 0) {
		t->left_to_take_over = true;
		LOCK_SCOPE(&t->lock);
		take_over_locked(t);
		TAKE_PTR(t);
		return 0;
	}
	t->array.header->generation = 1;
	inode = &t->array.inodes[INODE_ROOT];
	*inode = (struct inode){
		.ino = root_ino,
		.mode = S_IFDIR,
		.nlookup = 1,
		.fd = -1,
		.handle = *root,
		.place = PLACE_ROOT,
	};
	atomic_store(&t->array.header->chunks_open, 1);
	TAKE_PTR(t);
	return 0;
}

uint64_t itable_layout(void)
{
	uint64_t h = layout_add(layout_begin(), sizeof(struct inode_array_header));

	return layout_add(h, sizeof(struct inode));
}

void itable_free(struct itable *t)
{
	if (!t)
		return;
	for (uint32_t i = INODE_ROOT; i < inode_array_open(&t->array) * INODE_CHUNK; i++) {
		if (t->array.chunks[i / INODE_CHUNK].used > 0 && is_known(&t->array.inodes[i]) &&
		    !t->left_to_take_over)
			t->evict(t->ctx, &t->array.inodes[i]);
	}
	inode_hash_done(&t->hash);
	inode_array_done(&t->array);
	for (size_t i = 0; i < STRIPES; i++)
		lock_done(&t->stripes[i]);
	lock_done(&t->lock);
	free(t);
}
