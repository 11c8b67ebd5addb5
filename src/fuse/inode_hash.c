/* SPDX-License-Identifier: MIT */
#include "fuse/inode_hash.h"

#include <errno.h>
#include <sys/mman.h>

#include "util/macro.h"

/* Buckets at first; the array of buckets is reserved for INODES_MAX. */
#define BUCKETS_MIN 1024

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int commit(void *p, size_t size)
{
	return mprotect(p, size, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

static uint32_t index_of(const struct inode_hash *h, const struct inode *inode)
{
	return (uint32_t)(inode - h->inodes);
}

static uint64_t mix(uint64_t ino)
{
	ino *= UINT64_C(0x9e3779b97f4a7c15);
	return ino ^ (ino >> 32);
}

static uint32_t *bucket(const struct inode_hash *h, uint64_t ino)
{
	uint64_t b = mix(ino) & (h->level - 1);

	if (b < h->split)
		b = mix(ino) & (h->level * 2 - 1);
	return &h->buckets[b];
}

static int grow(struct inode_hash *h)
{
	uint32_t *old = &h->buckets[h->split];
	uint32_t i = *old;
	int r;

	if ((h->split & (BUCKETS_MIN - 1)) == 0) {
		r = commit(&h->buckets[h->level + h->split], BUCKETS_MIN * sizeof(*h->buckets));
		if (r < 0)
			return r;
	}
	*old = 0;
	h->split++;
	while (i) {
		struct inode *inode = &h->inodes[i - 1];
		uint32_t next = inode->hash_next;
		uint32_t *b = bucket(h, inode->ino);

		inode->hash_next = *b;
		*b = i;
		i = next;
	}
	if (h->split == h->level) {
		h->level *= 2;
		h->split = 0;
	}
	return 0;
}

void inode_hash_insert(struct inode_hash *h, struct inode *inode, uint64_t count)
{
	uint32_t *b;

	if (count > h->level + h->split && h->level + h->split < INODES_MAX)
		(void)grow(h); /* without memory the chains get longer */
	b = bucket(h, inode->ino);
	inode->hash_next = *b;
	*b = index_of(h, inode) + 1;
}

void inode_hash_remove(struct inode_hash *h, struct inode *inode)
{
	uint32_t *p = bucket(h, inode->ino);

	while (*p && *p != index_of(h, inode) + 1)
		p = &h->inodes[*p - 1].hash_next;
	if (*p)
		*p = inode->hash_next;
}

struct inode *inode_hash_find(struct inode_hash *h, uint64_t ino, const struct handle *handle)
{
	uint32_t i = *bucket(h, ino);

	for (; i; i = h->inodes[i - 1].hash_next) {
		struct inode *inode = &h->inodes[i - 1];
		uint32_t flags = atomic_load(&inode->flags);

		if (inode->ino != ino || flags & INODE_ORPHAN)
			continue;
		if (flags & INODE_AUTO || handle_equal(&inode->handle, handle))
			return inode;
	}
	return NULL;
}

void inode_hash_presize(struct inode_hash *h, uint64_t n)
{
	uint64_t level = BUCKETS_MIN;

	while (level < n && level < INODES_MAX)
		level *= 2;
	if (commit(h->buckets, level * sizeof(*h->buckets)) < 0)
		return; /* then they are split */
	(void)madvise(h->buckets, level * sizeof(*h->buckets), MADV_HUGEPAGE);
	h->level = level;
}

int inode_hash_init(struct inode_hash *h, struct inode *inodes)
{
	*h = (struct inode_hash){ .inodes = inodes, .level = BUCKETS_MIN };
	h->buckets = reserve((size_t)INODES_MAX * sizeof(*h->buckets));
	if (!h->buckets || commit(h->buckets, BUCKETS_MIN * sizeof(*h->buckets)) < 0)
		return -ENOMEM; /* the process ends; the reservation with it */
	return 0;
}

void inode_hash_done(struct inode_hash *h)
{
	(void)munmap(h->buckets, (size_t)INODES_MAX * sizeof(*h->buckets));
}

void inode_hash_prefetch(const struct inode_hash *h, uint64_t ino)
{
	__builtin_prefetch(bucket(h, ino), 1);
}
