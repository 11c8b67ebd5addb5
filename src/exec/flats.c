/* SPDX-License-Identifier: MIT */
/*
 * An array of names and a hash over them with chains. Both double together, so there is a bucket per item
 * at least.
 */
#include "exec/flats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec_table.h"
#include "util/cleanup.h"

/* Room at first. Source: most executions have no flat file or a few. */
#define ROOM_MIN 8

void flats_done(struct flats *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->items[i]);
	free(f->items);
	free(f->buckets);
	*f = (struct flats){ 0 };
}

static struct flat **bucket(const struct flats *f, uint64_t hash)
{
	return &f->buckets[hash & (f->room - 1)];
}

static void chain(struct flats *f, struct flat *item)
{
	struct flat **b = bucket(f, item->hash);

	item->next = *b;
	*b = item;
}

static int grow(struct flats *f)
{
	size_t room = f->room ? f->room * 2 : ROOM_MIN;
	struct flat **items = reallocarray(f->items, room, sizeof(struct flat *));
	struct flat **buckets;

	if (!items)
		return -ENOMEM;
	f->items = items;
	buckets = calloc(room, sizeof(struct flat *));
	if (!buckets)
		return -ENOMEM;
	free(f->buckets);
	f->buckets = buckets;
	f->room = room;
	for (size_t i = 0; i < f->n; i++)
		chain(f, f->items[i]);
	return 0;
}

int flats_add(struct flats *f, const char *name)
{
	size_t len = strlen(name) + 1;
	_cleanup_free_ struct flat *item = malloc(sizeof(*item) + len);
	int r = f->n == f->room && item ? grow(f) : 0;

	if (!item || r < 0)
		return -ENOMEM;
	memcpy(item->name, name, len);
	item->hash = exec_hash(name);
	item->at = f->n;
	chain(f, item);
	f->items[f->n++] = TAKE_PTR(item);
	return 0;
}

static void take_out(struct flats *f, struct flat **link)
{
	struct flat *item = *link;

	*link = item->next;
	f->n--;
	f->items[item->at] = f->items[f->n];
	f->items[item->at]->at = item->at;
}

/* What points to it; NULL if there is none. */
static struct flat **find(const struct flats *f, const char *name)
{
	uint64_t hash = exec_hash(name);
	struct flat **link = f->room ? bucket(f, hash) : NULL;

	while (link && *link && ((*link)->hash != hash || strcmp((*link)->name, name) != 0))
		link = &(*link)->next;
	return link && *link ? link : NULL;
}

bool flats_has(const struct flats *f, const char *name)
{
	return find(f, name) != NULL;
}

void flats_drop(struct flats *f, const char *name)
{
	struct flat **link = find(f, name);
	struct flat *item;

	if (!link)
		return;
	item = *link;
	take_out(f, link);
	free(item);
}

const char *flats_at(const struct flats *f, size_t at)
{
	return at < f->n ? f->items[at]->name : NULL;
}

struct flat *flats_pop(struct flats *f)
{
	struct flat *item = f->n > 0 ? f->items[f->n - 1] : NULL;
	struct flat **link;

	if (!item)
		return NULL;
	link = bucket(f, item->hash);
	while (*link != item)
		link = &(*link)->next;
	take_out(f, link);
	item->next = NULL;
	return item;
}
