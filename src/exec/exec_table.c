/* SPDX-License-Identifier: MIT */
/*
 * Reference counts change under the table's lock together with the table. A VIRTUAL object goes with its last
 * reference, an ACTIVE one stays; only a holder of a reference changes the state, so no object is forgotten.
 */
#include "exec/exec_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Buckets at first. Source: a busy n8n has a few hundred executions on disk at a time. */
#define BUCKETS_MIN 1024

/* Buckets looked at under one hold of the table's lock. Source: some 20 us. */
#define BUCKETS_AT_ONCE 256

/* FNV-1a, finished by MurmurHash3's mixer. */
uint64_t exec_hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

static struct execution *new_execution(const char *id, enum lifetime lifetime)
{
	struct execution *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	(void)memccpy(e->id, id, '\0', sizeof(e->id));
	e->lifetime = lifetime;
	atomic_init(&e->refs, 1);
	e->ttl_ns = LEDGER_TTL_DEFAULT;
	lock_init(&e->lock, LOCK_EXEC);
	lock_cond_init(&e->idle);
	lock_cond_init(&e->decided);
	atomic_store(&e->activity_mono_ns, exec_now_mono_ns());
	return e;
}

int exec_table_new(const struct store *store, struct trash *trash, struct ledger *ledger,
		   const struct exec_config *config, uint64_t next_number, struct exec_table **ret)
{
	_cleanup_free_ struct exec_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->buckets = calloc(BUCKETS_MIN, sizeof(struct execution *));
	if (!t->buckets)
		return -ENOMEM;
	t->nbuckets = BUCKETS_MIN;
	t->store = store;
	t->trash = trash;
	t->ledger = ledger;
	t->config = *config;
	t->none = new_execution("", LIFETIME_TTL);
	if (!t->none) {
		free(t->buckets);
		return -ENOMEM;
	}
	atomic_store(&t->none->state, EXEC_RELEASED);
	atomic_init(&t->ttl_ns, config->ttl_ns);
	atomic_init(&t->limit_bytes, config->limits.bytes);
	atomic_init(&t->limit_files, config->limits.files);
	atomic_init(&t->next_number, next_number);
	lock_init(&t->lock, LOCK_EXEC_TABLE);
	*ret = TAKE_PTR(t);
	return 0;
}

static void free_execution(struct execution *e)
{
	flats_done(&e->flats);
	(void)pthread_cond_destroy(&e->idle);
	(void)pthread_cond_destroy(&e->decided);
	lock_done(&e->lock);
	free(e);
}

void exec_table_free(struct exec_table *t)
{
	if (!t)
		return;
	for (uint64_t i = 0; i < t->nbuckets; i++) {
		while (t->buckets[i]) {
			struct execution *e = t->buckets[i];

			t->buckets[i] = e->hash_next;
			free_execution(e);
		}
	}
	free_execution(t->none);
	lock_done(&t->lock);
	free(t->buckets);
	free(t);
}

void exec_table_set_upcalls(struct exec_table *t, const struct exec_upcalls *up)
{
	t->up = *up;
}

const struct exec_config *exec_table_config(const struct exec_table *t)
{
	return &t->config;
}

static int look_again(void *arg, struct execution *e)
{
	(void)arg;
	LOCK_SCOPE(&e->lock); /* who has decided by the old time-to-live has written so by now */
	atomic_store(&e->due_mono_ns, 0);
	return 0;
}

int exec_tune(struct exec_table *t, int64_t ttl_ns, const struct exec_limits *limits)
{
	atomic_store(&t->ttl_ns, ttl_ns);
	atomic_store(&t->limit_bytes, limits->bytes);
	atomic_store(&t->limit_files, limits->files);
	return exec_each(t, look_again, NULL);
}

int64_t exec_default_ttl(const struct exec_table *t)
{
	return atomic_load_explicit(&t->ttl_ns, memory_order_relaxed);
}

struct exec_limits exec_default_limits(const struct exec_table *t)
{
	return (struct exec_limits){
		.bytes = atomic_load_explicit(&t->limit_bytes, memory_order_relaxed),
		.files = atomic_load_explicit(&t->limit_files, memory_order_relaxed),
		.strict = t->config.limits.strict,
	};
}

static struct execution **bucket_locked(struct exec_table *t, const char *id)
{
	return &t->buckets[exec_hash(id) & (t->nbuckets - 1)];
}

static struct execution *find_locked(struct exec_table *t, const char *id, bool external)
{
	struct execution *e = *bucket_locked(t, id);

	while (e && (strcmp(e->id, id) != 0 || (e->lifetime == LIFETIME_EXTERNAL) != external))
		e = e->hash_next;
	return e;
}

/* Twice the buckets. Without memory the chains get longer, nothing else. */
static void grow_locked(struct exec_table *t)
{
	struct execution **old = t->buckets;
	uint64_t nold = t->nbuckets;
	struct execution **grown = calloc(nold * 2, sizeof(*grown));

	if (!grown)
		return;
	t->buckets = grown;
	t->nbuckets = nold * 2;
	for (uint64_t i = 0; i < nold; i++) {
		while (old[i]) {
			struct execution *e = old[i];
			struct execution **b = bucket_locked(t, e->id);

			old[i] = e->hash_next;
			e->hash_next = *b;
			*b = e;
		}
	}
	free(old);
}

/* Not one that is only looked at, nor one that is just leaving the table. */
static bool is_real(const struct execution *e)
{
	int state = atomic_load(&e->state);

	return state == EXEC_ACTIVE || state == EXEC_RELEASING || state == EXEC_MOVING;
}

static void unlink_locked(struct exec_table *t, struct execution *e)
{
	struct execution **p = bucket_locked(t, e->id);

	while (*p && *p != e)
		p = &(*p)->hash_next;
	if (*p) {
		*p = e->hash_next;
		t->count--;
	}
}

struct execution *exec_get(struct exec_table *t, const char *id, enum lifetime lifetime)
{
	struct execution *e;
	struct execution **b;

	LOCK_SCOPE(&t->lock);
	e = find_locked(t, id, lifetime == LIFETIME_EXTERNAL);
	if (e) {
		atomic_fetch_add(&e->refs, 1);
		return e;
	}
	e = new_execution(id, lifetime);
	if (!e)
		return NULL;
	if (t->count >= t->nbuckets)
		grow_locked(t);
	b = bucket_locked(t, id);
	e->hash_next = *b;
	*b = e;
	t->count++;
	return e;
}

struct execution *exec_lookup(struct exec_table *t, const char *id)
{
	struct execution *e;

	LOCK_SCOPE(&t->lock);
	e = find_locked(t, id, false);
	if (!e || !is_real(e))
		e = find_locked(t, id, true);
	if (!e || !is_real(e))
		return NULL;
	atomic_fetch_add(&e->refs, 1);
	return e;
}

struct execution *exec_ref(struct execution *e)
{
	atomic_fetch_add(&e->refs, 1);
	return e;
}

/* Drop a reference that is not the last, without the table's lock. */
static bool unref_not_last(struct execution *e)
{
	uint32_t refs = atomic_load(&e->refs);

	while (refs > 1) {
		if (atomic_compare_exchange_weak(&e->refs, &refs, refs - 1))
			return true;
	}
	return false;
}

struct execution *exec_none(struct exec_table *t)
{
	return exec_ref(t->none);
}

void exec_unref(struct exec_table *t, struct execution *e)
{
	if (!e || unref_not_last(e))
		return;
	{
		LOCK_SCOPE(&t->lock);
		if (atomic_fetch_sub(&e->refs, 1) > 1)
			return;
		if (atomic_load(&e->state) == EXEC_ACTIVE)
			return; /* stays in the table without references */
		if (atomic_load(&e->state) != EXEC_RELEASED) /* a released one is out already */
			unlink_locked(t, e);
	}
	free_execution(e);
}

void exec_table_remove(struct exec_table *t, struct execution *e)
{
	LOCK_SCOPE(&t->lock);
	unlink_locked(t, e);
}

/* References to those that are wanted. */
struct picked {
	bool (*wanted)(void *arg, struct execution *e); /* NULL: all */
	void *arg;
	struct execution **items; /* owned, and a reference each */
	size_t n;
	size_t room;
	uint64_t at; /* the next bucket */
};

static int pick(struct picked *p, struct execution *e)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 64;
		struct execution **grown = reallocarray(p->items, room, sizeof(struct execution *));

		if (!grown)
			return -ENOMEM;
		p->items = grown;
		p->room = room;
	}
	atomic_fetch_add(&e->refs, 1);
	p->items[p->n++] = e;
	return 0;
}

/* The next n buckets. Returns 1 if there are more, 0 at the end, or -ENOMEM. */
static int pick_buckets(struct exec_table *t, struct picked *p, uint64_t n)
{
	LOCK_SCOPE(&t->lock);
	for (; p->at < t->nbuckets && n > 0; p->at++, n--) {
		for (struct execution *e = t->buckets[p->at]; e; e = e->hash_next) {
			if (!is_real(e) || (p->wanted && !p->wanted(p->arg, e)))
				continue;
			if (pick(p, e) < 0)
				return -ENOMEM;
		}
	}
	return p->at < t->nbuckets;
}

/* n: buckets that are looked at in one go. */
static int each_picked(struct exec_table *t, struct picked *p, uint64_t n,
		       int (*each)(void *arg, struct execution *e))
{
	int r;

	do
		r = pick_buckets(t, p, n);
	while (r > 0);
	for (size_t i = 0; i < p->n; i++) {
		if (r == 0)
			r = each(p->arg, p->items[i]);
		exec_unref(t, p->items[i]);
	}
	free(p->items);
	return r;
}

int exec_each(struct exec_table *t, int (*each)(void *arg, struct execution *e), void *arg)
{
	return each_picked(t, &(struct picked){ .arg = arg }, UINT64_MAX, each);
}

int exec_each_wanted(struct exec_table *t, bool (*wanted)(void *arg, struct execution *e),
		     int (*each)(void *arg, struct execution *e), void *arg)
{
	return each_picked(t, &(struct picked){ .wanted = wanted, .arg = arg }, BUCKETS_AT_ONCE,
			   each);
}

uint64_t exec_count(struct exec_table *t)
{
	return atomic_load(&t->active);
}
