/* SPDX-License-Identifier: MIT */
#include "fuse/inode_array.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "util/macro.h"

_Static_assert(sizeof(struct inode) == 128, "see the sizes in ARCHITECTURE.md");
_Static_assert((size_t)INODES_MAX * sizeof(struct inode) == (size_t)8 << 30, "keep.c");
_Static_assert(INODE_CHUNK * sizeof(struct inode) % 4096 == 0, "chunks are whole pages");
_Static_assert(sizeof(struct inode_array_header) <= sizeof(struct inode), "it has its place");
#define NCHUNKS (INODES_MAX / INODE_CHUNK)

static int commit_chunk(struct inode_array *a, uint32_t chunk)
{
	return keep_commit(a->keep, &a->inodes[chunk * INODE_CHUNK],
			   INODE_CHUNK * sizeof(struct inode));
}

static void discard_chunk(struct inode_array *a, uint32_t chunk)
{
	keep_discard(a->keep, &a->inodes[chunk * INODE_CHUNK], INODE_CHUNK * sizeof(struct inode));
}

int inode_array_take(struct inode_array *a, struct inode **ret)
{
	struct inode_chunk *c;
	uint32_t index;
	int r;

	while (a->hint < NCHUNKS && a->chunks[a->hint].used == INODE_CHUNK)
		a->hint++;
	if (a->hint == NCHUNKS)
		return -ENFILE;
	c = &a->chunks[a->hint];
	if (a->hint >= atomic_load(&a->header->chunks_open)) {
		r = commit_chunk(a, a->hint);
		if (r < 0)
			return r;
		atomic_store(&a->header->chunks_open, a->hint + 1);
	}
	if (c->free) {
		index = c->free - 1;
		c->free = a->inodes[index].hash_next;
	} else {
		index = a->hint * INODE_CHUNK + c->fresh++;
	}
	c->used++;
	*ret = &a->inodes[index];
	return 0;
}

void inode_array_set_free(struct inode_array *a, struct inode *inode)
{
	uint32_t index = inode_array_index(a, inode);
	struct inode_chunk *c = &a->chunks[index / INODE_CHUNK];

	memset(inode, 0, sizeof(*inode));
	inode->hash_next = c->free;
	c->free = index + 1;
}

void inode_array_discard_unused(struct inode_array *a, uint32_t chunk)
{
	struct inode_chunk *c = &a->chunks[chunk];

	if (c->used > 0 || chunk == 0)
		return;
	c->free = 0;
	c->fresh = 0;
	discard_chunk(a, chunk);
}

void inode_array_give_back(struct inode_array *a, struct inode *inode)
{
	uint32_t chunk = inode_array_index(a, inode) / INODE_CHUNK;

	inode_array_set_free(a, inode);
	a->chunks[chunk].used--;
	a->hint = MIN_OF(a->hint, chunk);
	inode_array_discard_unused(a, chunk);
}

uint32_t inode_array_generation(struct inode_array *a)
{
	uint32_t generation = a->header->generation;

	a->header->generation = generation == INT32_MAX ? 1 : generation + 1;
	return generation;
}

bool inode_array_next_written(struct inode_array *a, uint32_t *chunk, uint32_t *ret_end)
{
	const size_t bytes = INODE_CHUNK * sizeof(struct inode);
	uint32_t open = atomic_load(&a->header->chunks_open);
	size_t size = 0;
	struct inode *p = keep_have_written(a->keep, &a->inodes[*chunk * INODE_CHUNK],
					    (open - *chunk) * bytes, &size);
	size_t at;

	if (!p)
		return false;
	at = (size_t)((uint8_t *)p - (uint8_t *)a->inodes);
	*chunk = (uint32_t)(at / bytes);
	*ret_end = (uint32_t)((at + size + bytes - 1) / bytes);
	return true;
}

int inode_array_init(struct inode_array *a, struct keep *keep)
{
	*a = (struct inode_array){ .keep = keep, .inodes = keep_area(keep, KEEP_INODES) };
	a->header = (void *)a->inodes;
	a->chunks = mmap(NULL, NCHUNKS * sizeof(*a->chunks), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->chunks == MAP_FAILED || commit_chunk(a, 0) < 0)
		return -ENOMEM; /* the process ends; the reservation with it */
	a->chunks[0].used = INODE_ROOT + 1;
	a->chunks[0].fresh = INODE_ROOT + 1;
	return 0;
}

void inode_array_done(struct inode_array *a)
{
	(void)munmap(a->chunks, NCHUNKS * sizeof(*a->chunks));
}
