/* SPDX-License-Identifier: MIT */
/*
 * Executions that a walk finds on its way are made; those that it began with are counted.
 */
#include "exec/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "exec/exec_table.h"
#include "util/cleanup.h"

int tally_classify(struct exec_table *t, const struct walk_entry *w, uint64_t *ret_tag,
		   uint64_t *ret_number, enum place *ret_place)
{
	struct ledger_owner by = { .uid = w->st->st_uid, .gid = w->st->st_gid };
	struct rule_match m;
	struct execution *e;

	rule_match((enum place)(w->tag >> TALLY_PLACE_SHIFT), w->name, S_ISDIR(w->st->st_mode), &m);
	*ret_place = m.place;
	*ret_number = w->tag & ((UINT64_C(1) << TALLY_PLACE_SHIFT) - 1);
	if (!m.inherits) {
		e = exec_get(t, m.id, m.lifetime);
		if (!e)
			return -ENOMEM;
		if (m.lifetime != LIFETIME_TTL)
			exec_activate(t, e, &by);
		*ret_number = exec_number(e);
		exec_unref(t, e);
	}
	*ret_tag = *ret_number | (uint64_t)m.place << TALLY_PLACE_SHIFT;
	return 0;
}

struct tally {
	uint64_t number;
	struct execution *exec; /* owned reference */
	int64_t files;
	int64_t bytes;
};

struct tallies {
	struct exec_table *table;
	const _Atomic bool *stop;
	struct tally *items; /* owned, with the references; sorted by number */
	size_t n;
	size_t room;
};

static int tallies_add(void *arg, struct execution *e)
{
	struct tallies *t = arg;

	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct tally *grown = reallocarray(t->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->items = grown;
		t->room = room;
	}
	t->items[t->n++] = (struct tally){ .number = exec_number(e), .exec = exec_ref(e) };
	return 0;
}

static int compare_tallies(const void *a, const void *b)
{
	uint64_t x = ((const struct tally *)a)->number;
	uint64_t y = ((const struct tally *)b)->number;

	return (x > y) - (x < y);
}

static int tally_entry(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct tallies *t = arg;
	struct tally key = { 0 };
	struct tally *found;
	enum place place;
	int r;

	if (atomic_load(t->stop))
		return -ECANCELED;
	r = tally_classify(t->table, w, ret_tag, &key.number, &place);
	if (r < 0)
		return r;
	if (!S_ISREG(w->st->st_mode) || t->n == 0)
		return 0;
	found = bsearch(&key, t->items, t->n, sizeof(key), compare_tallies);
	if (found) {
		found->files++;
		if (__builtin_add_overflow(found->bytes, w->st->st_size, &found->bytes))
			found->bytes = INT64_MAX;
	}
	return 0;
}

int tally_files(struct exec_table *table, const struct store *store, const _Atomic bool *stop)
{
	struct tallies t = { .table = table, .stop = stop };
	int r = exec_each(table, tallies_add, &t);

	if (t.n > 0)
		qsort(t.items, t.n, sizeof(*t.items), compare_tallies);
	if (r == 0)
		r = walk(store->fd, &store->tree, TALLY_ROOT_TAG, tally_entry, &t);
	for (size_t i = 0; i < t.n; i++) {
		if (r == 0)
			exec_account(t.items[i].exec, t.items[i].files, t.items[i].bytes);
		atomic_store(&t.items[i].exec->recount, true);
		exec_unref(table, t.items[i].exec);
	}
	free(t.items);
	return r;
}
