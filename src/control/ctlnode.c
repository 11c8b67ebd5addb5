/* SPDX-License-Identifier: MIT */
/*
 * Two hashes over the same objects, of one size: by node id for requests, by key for lookups.
 */
#include "control/ctlnode.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "control/control.h"
#include "takeover/format.h"
#include "util/cleanup.h"
#include "util/lock.h"

/* Buckets at least, a power of two. Source: one listing with attributes of a small directory. */
#define BUCKETS_MIN 64

/* What outlives the process: KEEP_CONTROL is a header and these. */
struct kept {
	uint64_t id;	  /* 0: free. Written last */
	uint64_t nlookup; /* of a free one: the next of these, counted from 1 */
	struct ctlnode_key key;
};

struct header {
	uint64_t next; /* id of the next node */
	uint64_t used; /* places that have ever been taken */
};

struct ctlnode {
	/* Constant. */
	struct kept *kept; /* lock; its count changes */
	uint64_t hash;	   /* of key */

	/* ctlnode_table.lock */
	struct ctlnode *next_id;  /* borrowed; chain in by_id */
	struct ctlnode *next_key; /* borrowed; chain in by_key */
};

struct ctlnode_table {
	/* Constant. */
	struct ctlnode_key root;
	struct header *header;
	struct kept *places;
	uint64_t nplaces;

	struct lock lock;	 /* rank LOCK_CONTROL */
	struct ctlnode **by_id;	 /* lock; owned, and the nodes */
	struct ctlnode **by_key; /* lock; owned */
	uint64_t nbuckets;	 /* lock; of each, a power of two */
	uint64_t count;		 /* lock */
	uint64_t free; /* lock: the first free place, counted from 1; 0: none below header->used */
};

static uint64_t mix(uint64_t h)
{
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ (h >> 33);
}

/* FNV-1a over all of the key. */
static uint64_t hash_key(const struct ctlnode_key *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	h = (h ^ key->kind) * UINT64_C(0x100000001b3);
	h = (h ^ key->attr) * UINT64_C(0x100000001b3);
	for (const char *p = key->id; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return mix(h);
}

uint64_t ctlnode_ino(const struct ctlnode_key *key)
{
	return CONTROL_INO_BASE + (hash_key(key) & ((UINT64_C(1) << 51) - 1));
}

static bool key_equal(const struct ctlnode_key *a, const struct ctlnode_key *b)
{
	return a->kind == b->kind && a->attr == b->attr && strcmp(a->id, b->id) == 0;
}

static struct ctlnode **id_bucket_locked(struct ctlnode_table *t, uint64_t id)
{
	return &t->by_id[mix(id) & (t->nbuckets - 1)];
}

static struct ctlnode **key_bucket_locked(struct ctlnode_table *t, uint64_t hash)
{
	return &t->by_key[hash & (t->nbuckets - 1)];
}

static void link_locked(struct ctlnode_table *t, struct ctlnode *n)
{
	struct ctlnode **by_id = id_bucket_locked(t, n->kept->id);
	struct ctlnode **by_key = key_bucket_locked(t, n->hash);

	n->next_id = *by_id;
	*by_id = n;
	n->next_key = *by_key;
	*by_key = n;
}

static void unlink_locked(struct ctlnode_table *t, struct ctlnode *n)
{
	struct ctlnode **p = id_bucket_locked(t, n->kept->id);

	while (*p != n)
		p = &(*p)->next_id;
	*p = n->next_id;
	p = key_bucket_locked(t, n->hash);
	while (*p != n)
		p = &(*p)->next_key;
	*p = n->next_key;
}

/* Another number of buckets. Without memory the old ones stay, and the chains get longer. */
static void resize_locked(struct ctlnode_table *t, uint64_t nbuckets)
{
	_cleanup_free_ struct ctlnode **by_id = calloc(nbuckets, sizeof(struct ctlnode *));
	_cleanup_free_ struct ctlnode **by_key = calloc(nbuckets, sizeof(struct ctlnode *));
	struct ctlnode **old = t->by_id;
	uint64_t nold = t->nbuckets;

	if (!by_id || !by_key)
		return;
	free(t->by_key);
	t->by_id = TAKE_PTR(by_id);
	t->by_key = TAKE_PTR(by_key);
	t->nbuckets = nbuckets;
	for (uint64_t i = 0; i < nold; i++) {
		while (old[i]) {
			struct ctlnode *n = old[i];

			old[i] = n->next_id;
			link_locked(t, n);
		}
	}
	free(old);
}

DEFINE_CLEANUP(struct ctlnode_table *, ctlnode_table_free)

void ctlnode_table_free(struct ctlnode_table *t)
{
	if (!t)
		return;
	for (uint64_t i = 0; i < t->nbuckets; i++) {
		while (t->by_id[i]) {
			struct ctlnode *n = t->by_id[i];

			t->by_id[i] = n->next_id;
			free(n);
		}
	}
	free(t->by_id);
	free(t->by_key);
	lock_done(&t->lock);
	free(t);
}

static struct ctlnode *find_locked(struct ctlnode_table *t, uint64_t id)
{
	struct ctlnode *n = *id_bucket_locked(t, id);

	while (n && n->kept->id != id)
		n = n->next_id;
	return n;
}

static struct ctlnode *find_key_locked(struct ctlnode_table *t, const struct ctlnode_key *key,
				       uint64_t hash)
{
	struct ctlnode *n = *key_bucket_locked(t, hash);

	while (n && (n->hash != hash || !key_equal(&n->kept->key, key)))
		n = n->next_key;
	return n;
}

static void free_place_locked(struct ctlnode_table *t, struct kept *k)
{
	k->id = 0;
	k->nlookup = t->free;
	t->free = (uint64_t)(k - t->places) + 1;
}

static struct kept *take_place_locked(struct ctlnode_table *t)
{
	struct kept *k;

	if (!t->free)
		return t->header->used < t->nplaces ? &t->places[t->header->used++] : NULL;
	k = &t->places[t->free - 1];
	t->free = k->nlookup;
	return k;
}

static struct ctlnode *know_locked(struct ctlnode_table *t, struct kept *k, uint64_t hash)
{
	struct ctlnode *n = malloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = (struct ctlnode){ .kept = k, .hash = hash };
	if (t->count >= t->nbuckets)
		resize_locked(t, t->nbuckets * 2);
	link_locked(t, n);
	t->count++;
	return n;
}

static int add_locked(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t hash,
		      struct ctlnode **ret)
{
	struct kept *k = take_place_locked(t);

	if (!k)
		return -ENFILE;
	k->nlookup = 0;
	k->key = *key;
	atomic_signal_fence(
		memory_order_seq_cst); /* a process that dies here leaves a free place */
	k->id = t->header->next++;
	*ret = know_locked(t, k, hash);
	if (!*ret)
		free_place_locked(t, k);
	return *ret ? 0 : -ENOMEM;
}

/* What another process has left. */
static int take_over_locked(struct ctlnode_table *t)
{
	for (uint64_t i = 0; i < t->header->used; i++) {
		struct kept *k = &t->places[i];

		if (k->id && k->nlookup > 0) {
			if (!know_locked(t, k, hash_key(&k->key)))
				return -ENOMEM;
			continue;
		}
		free_place_locked(t, k);
	}
	return 0;
}

int ctlnode_table_new(struct keep *keep, const struct ctlnode_key *root_key,
		      struct ctlnode_table **ret)
{
	_cleanup_(ctlnode_table_freep) struct ctlnode_table *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->root = *root_key;
	lock_init(&t->lock, LOCK_CONTROL);
	t->header = keep_area(keep, KEEP_CONTROL);
	t->places = (struct kept *)(t->header + 1);
	t->nplaces = (keep_area_size(KEEP_CONTROL) - sizeof(*t->header)) / sizeof(*t->places);
	t->by_id = calloc(BUCKETS_MIN, sizeof(struct ctlnode *));
	t->by_key = calloc(BUCKETS_MIN, sizeof(struct ctlnode *));
	if (!t->by_id || !t->by_key)
		return -ENOMEM;
	t->nbuckets = BUCKETS_MIN;
	if (!t->header->next)
		t->header->next = CONTROL_DIR_NODE + 1;
	{
		LOCK_SCOPE(&t->lock);
		r = take_over_locked(t);
	}
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

uint64_t ctlnode_layout(void)
{
	uint64_t h = layout_add(layout_begin(), sizeof(struct header));

	return layout_add(h, sizeof(struct kept));
}

int ctlnode_lookup(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t *ret_node)
{
	uint64_t hash = hash_key(key);
	struct ctlnode *n;
	bool is_new;
	int r;

	if (key_equal(key, &t->root)) {
		*ret_node = CONTROL_DIR_NODE;
		return 0;
	}
	LOCK_SCOPE(&t->lock);
	n = find_key_locked(t, key, hash);
	is_new = !n;
	r = n ? 0 : add_locked(t, key, hash, &n);
	if (r < 0)
		return r;
	n->kept->nlookup++;
	*ret_node = n->kept->id;
	return is_new;
}

int ctlnode_peek(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t *ret_node)
{
	struct ctlnode *n;

	LOCK_SCOPE(&t->lock);
	n = find_key_locked(t, key, hash_key(key));
	if (!n)
		return -ESTALE;
	*ret_node = n->kept->id;
	return 0;
}

void ctlnode_each(struct ctlnode_table *t,
		  void (*each)(void *arg, uint64_t node, const struct ctlnode_key *key), void *arg)
{
	LOCK_SCOPE(&t->lock);
	for (uint64_t i = 0; i < t->nbuckets; i++) {
		for (struct ctlnode *n = t->by_id[i]; n; n = n->next_id)
			each(arg, n->kept->id, &n->kept->key);
	}
}

int ctlnode_find(struct ctlnode_table *t, uint64_t node, struct ctlnode_key *ret)
{
	struct ctlnode *n;

	if (node == CONTROL_DIR_NODE) {
		*ret = t->root;
		return 0;
	}
	LOCK_SCOPE(&t->lock);
	n = find_locked(t, node);
	if (!n)
		return -ESTALE;
	*ret = n->kept->key;
	return 0;
}

void ctlnode_forget(struct ctlnode_table *t, uint64_t node, uint64_t n)
{
	struct ctlnode *found;

	LOCK_SCOPE(&t->lock);
	found = find_locked(t, node); /* the root is in no chain: never forgotten */
	if (!found)
		return;
	found->kept->nlookup -= MIN_OF(n, found->kept->nlookup);
	if (found->kept->nlookup > 0)
		return;
	unlink_locked(t, found);
	free_place_locked(t, found->kept);
	free(found);
	t->count--;
	if (t->nbuckets > BUCKETS_MIN && t->count < t->nbuckets / 8)
		resize_locked(t, t->nbuckets / 2);
}

uint64_t ctlnode_count(struct ctlnode_table *t)
{
	LOCK_SCOPE(&t->lock);
	return t->count;
}
