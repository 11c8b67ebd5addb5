/* SPDX-License-Identifier: MIT */
/*
 * The inode table: an array in memory that outlives the process, committed in chunks as it grows and given back
 * chunk by chunk when all objects of one are free; and a hash by ino (linear hashing: one bucket is split per
 * insertion, so no request ever waits for a rehash).
 *
 *     index = chunk * CHUNK_INODES + slot          index 0 is the header, index 1 is the root
 */
#include "fuse/itable.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fuse/request.h"
#include "takeover/format.h"
#include "util/cleanup.h"

/* The root's node id. Source: FUSE_ROOT_ID in linux/fuse.h. */
#define ROOT_INDEX 1

/* Inodes committed and given back together: 1024 of 128 bytes, 32 pages. */
#define CHUNK_INODES 1024
_Static_assert(sizeof(struct inode) == 128, "see the sizes in ARCHITECTURE.md");
_Static_assert(CHUNK_INODES <= ITABLE_SCAN_MAX, "a piece is a chunk");
_Static_assert(CHUNK_INODES * sizeof(struct inode) % 4096 == 0, "chunks are whole pages");
#define NCHUNKS (ITABLE_MAX / CHUNK_INODES)

/* How far ahead. Source: tried; 4 and 32 do as well. */
#define PREFETCH_INODES 12

/* Locks shared by all inodes. Source: many times the threads; 48 KiB. */
#define STRIPES 1024

/* Buckets at first; the array of buckets is reserved for ITABLE_MAX. */
#define BUCKETS_MIN 1024

struct chunk {
	uint32_t used;	/* objects alive */
	uint32_t fresh; /* slots never used since the chunk was committed start here */
	uint32_t free;	/* index + 1 of the first freed slot */
};

/* In the place of the first inode: what the next process must know. */
struct header {
	_Atomic uint32_t chunks_open; /* lock: chunks below this may be in use */
	uint32_t generation;	      /* lock: of the next object */
};
_Static_assert(sizeof(struct header) <= sizeof(struct inode), "it has its place");

struct itable {
	/* Constant. */
	struct keep *keep;    /* borrowed */
	struct inode *inodes; /* its area */
	struct header *header;
	bool left_to_take_over; /* but for that; inodes are as the process before left them */
	uint32_t *buckets;	/* reserved; index + 1 of the first inode */
	itable_evict_fn *evict;
	void *ctx; /* borrowed */

	struct lock lock;     /* rank LOCK_ITABLE */
	struct chunk *chunks; /* lock; owned; NCHUNKS of them, zero pages until used */
	uint32_t hint;	      /* lock: no chunk below this has room */
	uint64_t level;	      /* lock: buckets before the current round of splits, a power of two */
	uint64_t split;	      /* lock: next bucket to split */
	_Atomic uint64_t count; /* changes under lock */

	struct lock stripes[STRIPES]; /* rank LOCK_INODE */
};

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int commit(void *p, size_t size)
{
	return mprotect(p, size, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

static int commit_chunk(struct itable *t, uint32_t chunk)
{
	return keep_commit(t->keep, &t->inodes[chunk * CHUNK_INODES],
			   CHUNK_INODES * sizeof(struct inode));
}

static void discard_chunk(struct itable *t, uint32_t chunk)
{
	keep_discard(t->keep, &t->inodes[chunk * CHUNK_INODES],
		     CHUNK_INODES * sizeof(struct inode));
}

static uint32_t index_of(const struct itable *t, const struct inode *inode)
{
	return (uint32_t)(inode - t->inodes);
}

uint64_t itable_nodeid(const struct itable *t, const struct inode *inode)
{
	return (uint64_t)inode->generation << 32 | index_of(t, inode);
}

struct lock *itable_lock(struct itable *t, const struct inode *inode)
{
	return &t->stripes[index_of(t, inode) % STRIPES];
}

uint64_t itable_count(struct itable *t)
{
	return atomic_load(&t->count);
}

/* ---- the hash ---- */

static uint64_t mix(uint64_t ino)
{
	ino *= UINT64_C(0x9e3779b97f4a7c15);
	return ino ^ (ino >> 32);
}

static uint32_t *bucket_locked(struct itable *t, uint64_t ino)
{
	uint64_t b = mix(ino) & (t->level - 1);

	if (b < t->split)
		b = mix(ino) & (t->level * 2 - 1);
	return &t->buckets[b];
}

static int grow_hash_locked(struct itable *t)
{
	uint32_t *old = &t->buckets[t->split];
	uint32_t i = *old;
	int r;

	if ((t->split & (BUCKETS_MIN - 1)) == 0) {
		r = commit(&t->buckets[t->level + t->split], BUCKETS_MIN * sizeof(*t->buckets));
		if (r < 0)
			return r;
	}
	*old = 0;
	t->split++;
	while (i) {
		struct inode *inode = &t->inodes[i - 1];
		uint32_t next = inode->hash_next;
		uint32_t *b = bucket_locked(t, inode->ino);

		inode->hash_next = *b;
		*b = i;
		i = next;
	}
	if (t->split == t->level) {
		t->level *= 2;
		t->split = 0;
	}
	return 0;
}

static void hash_insert_locked(struct itable *t, struct inode *inode)
{
	uint32_t *b;

	if (atomic_load(&t->count) > t->level + t->split && t->level + t->split < ITABLE_MAX)
		(void)grow_hash_locked(t); /* without memory the chains get longer */
	b = bucket_locked(t, inode->ino);
	inode->hash_next = *b;
	*b = index_of(t, inode) + 1;
}

static void hash_remove_locked(struct itable *t, struct inode *inode)
{
	uint32_t *p = bucket_locked(t, inode->ino);

	while (*p && *p != index_of(t, inode) + 1)
		p = &t->inodes[*p - 1].hash_next;
	if (*p)
		*p = inode->hash_next;
}

static struct inode *hash_find_locked(struct itable *t, uint64_t ino, const struct handle *h)
{
	uint32_t i = *bucket_locked(t, ino);

	for (; i; i = t->inodes[i - 1].hash_next) {
		struct inode *inode = &t->inodes[i - 1];
		uint32_t flags = atomic_load(&inode->flags);

		if (inode->ino != ino || flags & INODE_ORPHAN)
			continue;
		if (flags & INODE_AUTO || handle_equal(&inode->handle, h))
			return inode;
	}
	return NULL;
}

/* ---- the array ---- */

static int slot_alloc_locked(struct itable *t, struct inode **ret)
{
	struct chunk *c;
	uint32_t index;
	int r;

	while (t->hint < NCHUNKS && t->chunks[t->hint].used == CHUNK_INODES)
		t->hint++;
	if (t->hint == NCHUNKS)
		return -ENFILE;
	c = &t->chunks[t->hint];
	if (t->hint >= atomic_load(&t->header->chunks_open)) {
		r = commit_chunk(t, t->hint);
		if (r < 0)
			return r;
		atomic_store(&t->header->chunks_open, t->hint + 1);
	}
	if (c->free) {
		index = c->free - 1;
		c->free = t->inodes[index].hash_next;
	} else {
		index = t->hint * CHUNK_INODES + c->fresh++;
	}
	c->used++;
	*ret = &t->inodes[index];
	return 0;
}

static void slot_free_locked(struct itable *t, struct inode *inode)
{
	uint32_t index = index_of(t, inode);
	uint32_t chunk = index / CHUNK_INODES;
	struct chunk *c = &t->chunks[chunk];

	memset(inode, 0, sizeof(*inode));
	inode->hash_next = c->free;
	c->free = index + 1;
	c->used--;
	t->hint = MIN_OF(t->hint, chunk);
	if (c->used == 0 && chunk > 0) {
		c->free = 0;
		c->fresh = 0;
		discard_chunk(t, chunk);
	}
}

/* Never 0, which free slots have, nor with the top bit, which is for control nodes. */
static uint32_t next_generation_locked(struct itable *t)
{
	uint32_t generation = t->header->generation;

	t->header->generation = generation == INT32_MAX ? 1 : generation + 1;
	return generation;
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
	struct inode *inode = hash_find_locked(t, like->ino, &like->handle);
	uint32_t generation;
	int r;

	*ret = inode;
	*ret_new = !inode;
	if (inode)
		return 0;
	r = slot_alloc_locked(t, &inode);
	if (r < 0)
		return r;
	generation = next_generation_locked(t);
	*inode = *like;
	inode->nlookup = 0;
	inode->nref = 0;
	inode->nopen = inode->nopen_write = 0;
	inode->nwriting = 0;
	inode->backing_id = 0;
	inode->fd = -1;
	request_fence();
	inode->generation = generation;
	atomic_fetch_add(&t->count, 1);
	hash_insert_locked(t, inode);
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
	inode = hash_find_locked(t, ino, h);
	if (inode)
		inode->nref++;
	return inode;
}

struct inode *itable_find(struct itable *t, uint64_t nodeid)
{
	uint32_t index = (uint32_t)nodeid;
	struct inode *inode = &t->inodes[index];

	/* The kernel names only inodes it holds a lookup on: chunks of those are committed and stay. */
	if (index == 0 || index / CHUNK_INODES >= atomic_load_explicit(&t->header->chunks_open,
								       memory_order_relaxed))
		return NULL;
	if (inode->generation != nodeid >> 32 || (!inode->generation && index != ROOT_INDEX))
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
	slot_free_locked(t, inode);
}

static bool forget_locked(struct itable *t, struct inode *inode, uint64_t n)
{
	if (index_of(t, inode) == ROOT_INDEX)
		return false;
	inode->nlookup -= MIN_OF(n, inode->nlookup);
	if (is_known(inode))
		return false;
	hash_remove_locked(t, inode);
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

void itable_set_auto_id(struct inode *inode, const char *id)
{
	inode->handle = (struct handle){ 0 };
	(void)snprintf((char *)inode->handle.bytes, sizeof(inode->handle.bytes), "%s", id);
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
	if (hash_find_locked(t, inode->ino, &inode->handle))
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
	while (*piece < atomic_load(&t->header->chunks_open) && t->chunks[*piece].used == 0)
		++*piece;
	if (*piece >= atomic_load(&t->header->chunks_open))
		return false;
	for (uint32_t i = 0; i < t->chunks[*piece].fresh; i++) {
		struct inode *inode = &t->inodes[*piece * CHUNK_INODES + i];

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

/* As many buckets as there may be inodes, at once: splitting them one by one takes longer than all the rest. */
static void presize_hash_locked(struct itable *t, uint64_t n)
{
	uint64_t level = BUCKETS_MIN;

	while (level < n && level < ITABLE_MAX)
		level *= 2;
	if (commit(t->buckets, level * sizeof(*t->buckets)) < 0)
		return; /* then they are split */
	(void)madvise(t->buckets, level * sizeof(*t->buckets), MADV_HUGEPAGE);
	t->level = level;
}

/* Its free slots are the chunk's first ones last, so that it fills up from the beginning. */
static void take_over_chunk_locked(struct itable *t, uint32_t chunk)
{
	struct chunk *c = &t->chunks[chunk];
	uint32_t first = chunk == 0 ? ROOT_INDEX + 1 : 0;

	c->fresh = CHUNK_INODES;
	for (uint32_t i = CHUNK_INODES; i-- > first;) {
		struct inode *inode = &t->inodes[chunk * CHUNK_INODES + i];

		if (i >= first + PREFETCH_INODES) /* buckets are anywhere */
			__builtin_prefetch(bucket_locked(t, inode[-PREFETCH_INODES].ino), 1);
		if (inode->generation && inode->nlookup > 0) {
			reset(inode);
			c->used++;
			atomic_fetch_add(&t->count, 1);
			hash_insert_locked(t, inode);
			continue;
		}
		memset(inode, 0, sizeof(*inode));
		inode->hash_next = c->free;
		c->free = chunk * CHUNK_INODES + i + 1;
	}
	if (c->used == 0 && chunk > 0) {
		c->free = c->fresh = 0;
		discard_chunk(t, chunk);
	}
}

/* Chunks that the process before has written to: [*chunk, *ret_end), the first at or after *chunk. False: no more. */
static bool next_written(struct itable *t, uint32_t *chunk, uint32_t *ret_end)
{
	const size_t bytes = CHUNK_INODES * sizeof(struct inode);
	uint32_t open = atomic_load(&t->header->chunks_open);
	size_t size = 0;
	struct inode *p = keep_find_written(t->keep, &t->inodes[*chunk * CHUNK_INODES],
					    (open - *chunk) * bytes, &size);
	size_t at;

	if (!p)
		return false;
	at = (size_t)((uint8_t *)p - (uint8_t *)t->inodes);
	*chunk = (uint32_t)(at / bytes);
	*ret_end = (uint32_t)((at + size + bytes - 1) / bytes);
	return true;
}

static void take_over_locked(struct itable *t)
{
	uint64_t n = 0;
	uint32_t end;

	for (uint32_t c = 0; next_written(t, &c, &end); c = end)
		n += (uint64_t)(end - c) * CHUNK_INODES;
	presize_hash_locked(t, n);
	reset(&t->inodes[ROOT_INDEX]);
	for (uint32_t c = 0; next_written(t, &c, &end); c = end) {
		for (uint32_t i = c; i < end; i++)
			take_over_chunk_locked(t, i);
	}
}

void itable_take_over(struct itable *t, void (*each)(void *arg, struct inode *inode), void *arg)
{
	uint32_t open = atomic_load(&t->header->chunks_open);

	for (uint32_t i = ROOT_INDEX + 1; i < open * CHUNK_INODES; i++) {
		if (t->chunks[i / CHUNK_INODES].used == 0)
			i = (i / CHUNK_INODES + 1) * CHUNK_INODES - 1;
		else if (t->inodes[i].nlookup > 0)
			each(arg, &t->inodes[i]);
	}
	t->left_to_take_over = false;
}

int itable_new(struct keep *keep, const struct handle *root, uint64_t root_ino,
	       itable_evict_fn *evict_fn, void *ctx, struct itable **ret)
{
	_cleanup_(freep) struct itable *t = calloc(1, sizeof(*t));
	struct inode *inode;

	if (!t)
		return -ENOMEM;
	_Static_assert((size_t)ITABLE_MAX * sizeof(struct inode) == (size_t)8 << 30, "keep.c");
	t->keep = keep;
	t->inodes = keep_area(keep, KEEP_INODES);
	t->header = (void *)t->inodes;
	t->buckets = reserve((size_t)ITABLE_MAX * sizeof(uint32_t));
	t->chunks = mmap(NULL, NCHUNKS * sizeof(struct chunk), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!t->buckets || t->chunks == MAP_FAILED ||
	    commit(t->buckets, BUCKETS_MIN * sizeof(*t->buckets)) < 0 || commit_chunk(t, 0) < 0)
		return -ENOMEM; /* the process ends; the reservations with it */
	t->level = BUCKETS_MIN;
	t->evict = evict_fn;
	t->ctx = ctx;
	lock_init(&t->lock, LOCK_ITABLE);
	for (size_t i = 0; i < STRIPES; i++)
		lock_init(&t->stripes[i], LOCK_INODE);

	t->chunks[0].used = 2;
	t->chunks[0].fresh = 2;
	atomic_store(&t->count, 1);
	*ret = t;
	if (atomic_load(&t->header->chunks_open) > 0) {
		t->left_to_take_over = true;
		LOCK_SCOPE(&t->lock);
		take_over_locked(t);
		TAKE_PTR(t);
		return 0;
	}
	t->header->generation = 1;
	inode = &t->inodes[ROOT_INDEX];
	*inode = (struct inode){
		.ino = root_ino,
		.mode = S_IFDIR,
		.nlookup = 1,
		.fd = -1,
		.handle = *root,
		.place = PLACE_ROOT,
	};
	atomic_store(&t->header->chunks_open, 1);
	TAKE_PTR(t);
	return 0;
}

uint64_t itable_layout(void)
{
	uint64_t h = layout_add(layout_begin(), sizeof(struct header));

	return layout_add(h, sizeof(struct inode));
}

void itable_free(struct itable *t)
{
	if (!t)
		return;
	for (uint32_t i = ROOT_INDEX; i < atomic_load(&t->header->chunks_open) * CHUNK_INODES;
	     i++) {
		if (t->chunks[i / CHUNK_INODES].used > 0 && is_known(&t->inodes[i]) &&
		    !t->left_to_take_over)
			t->evict(t->ctx, &t->inodes[i]);
	}
	(void)munmap(t->buckets, (size_t)ITABLE_MAX * sizeof(uint32_t));
	(void)munmap(t->chunks, NCHUNKS * sizeof(struct chunk));
	for (size_t i = 0; i < STRIPES; i++)
		lock_done(&t->stripes[i]);
	lock_done(&t->lock);
	free(t);
}
