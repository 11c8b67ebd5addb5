/* SPDX-License-Identifier: MIT */
/*
 * Two hashes over the same objects, of one size: by node id for requests, by key for lookups.
 */
#include "control/ctlnode.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "control/control.h"
#include "util/cleanup.h"
#include "util/lock.h"

/* Buckets at least, a power of two. Source: one listing with attributes of a small directory. */
#define BUCKETS_MIN 64

struct ctlnode {
	/* Constant. */
	uint64_t id;
	uint64_t hash; /* of key */
	struct ctlnode_key key;

	/* ctlnode_table.lock */
	uint64_t nlookup;
	struct ctlnode *next_id;  /* borrowed; chain in by_id */
	struct ctlnode *next_key; /* borrowed; chain in by_key */
};

struct ctlnode_table {
	struct ctlnode_key root; /* constant */

	struct lock lock;	 /* rank LOCK_CONTROL */
	struct ctlnode **by_id;	 /* lock; owned, and the nodes */
	struct ctlnode **by_key; /* lock; owned */
	uint64_t nbuckets;	 /* lock; of each, a power of two */
	uint64_t count;		 /* lock */
	uint64_t next;		 /* lock: id of the next node */
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
	struct ctlnode **by_id = id_bucket_locked(t, n->id);
	struct ctlnode **by_key = key_bucket_locked(t, n->hash);

	n->next_id = *by_id;
	*by_id = n;
	n->next_key = *by_key;
	*by_key = n;
}

static void unlink_locked(struct ctlnode_table *t, struct ctlnode *n)
{
	struct ctlnode **p = id_bucket_locked(t, n->id);

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

int ctlnode_table_new(const struct ctlnode_key *root_key, struct ctlnode_table **ret)
{
	_cleanup_(ctlnode_table_freep) struct ctlnode_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->root = *root_key;
	t->next = CONTROL_DIR_NODE + 1;
	lock_init(&t->lock, LOCK_CONTROL);
	t->by_id = calloc(BUCKETS_MIN, sizeof(struct ctlnode *));
	t->by_key = calloc(BUCKETS_MIN, sizeof(struct ctlnode *));
	if (!t->by_id || !t->by_key)
		return -ENOMEM;
	t->nbuckets = BUCKETS_MIN;
	*ret = TAKE_PTR(t);
	return 0;
}

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

	while (n && n->id != id)
		n = n->next_id;
	return n;
}

static struct ctlnode *find_key_locked(struct ctlnode_table *t, const struct ctlnode_key *key,
				       uint64_t hash)
{
	struct ctlnode *n = *key_bucket_locked(t, hash);

	while (n && (n->hash != hash || !key_equal(&n->key, key)))
		n = n->next_key;
	return n;
}

static struct ctlnode *add_locked(struct ctlnode_table *t, const struct ctlnode_key *key,
				  uint64_t hash)
{
	struct ctlnode *n = malloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = (struct ctlnode){ .id = t->next++, .hash = hash, .key = *key };
	if (t->count >= t->nbuckets)
		resize_locked(t, t->nbuckets * 2);
	link_locked(t, n);
	t->count++;
	return n;
}

int ctlnode_lookup(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t *ret_node)
{
	uint64_t hash = hash_key(key);
	struct ctlnode *n;

	if (key_equal(key, &t->root)) {
		*ret_node = CONTROL_DIR_NODE;
		return 0;
	}
	LOCK_SCOPE(&t->lock);
	n = find_key_locked(t, key, hash);
	if (!n)
		n = add_locked(t, key, hash);
	if (!n)
		return -ENOMEM;
	n->nlookup++;
	*ret_node = n->id;
	return 0;
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
	*ret = n->key;
	return 0;
}

void ctlnode_forget(struct ctlnode_table *t, uint64_t node, uint64_t n)
{
	struct ctlnode *found;

	LOCK_SCOPE(&t->lock);
	found = find_locked(t, node); /* the root is in no chain: never forgotten */
	if (!found)
		return;
	found->nlookup -= MIN_OF(n, found->nlookup);
	if (found->nlookup > 0)
		return;
	unlink_locked(t, found);
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
