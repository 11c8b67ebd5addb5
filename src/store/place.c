/* SPDX-License-Identifier: MIT */
/*
 * A mark with a sum of two handles: of the tree's directory, and of the ledger, which alone is another one where a backup was
 * brought back over what there was. A handle has a number, and a generation that the filesystem takes at random. The mark is
 * copied along, and does not fit then.
 */
#include "store/place.h"

#include <stdint.h>

#include "store/mark.h"

/* FNV-1a. */
static uint64_t add(uint64_t n, const struct handle *h)
{
	for (uint8_t i = 0; i < h->len; i++)
		n = (n ^ h->bytes[i]) * UINT64_C(0x100000001b3);
	return n;
}

/* A mark takes 63 bits. */
static int64_t sum(const struct store *st)
{
	struct handle ledger = { .len = 0 };

	(void)!handle_at(st->fd, "ledger.db", &ledger); /* there is one while it is asked */
	return (int64_t)(add(add(UINT64_C(0xcbf29ce484222325), &st->tree), &ledger) >> 1);
}

bool place_is_same(const struct store *st)
{
	int64_t last;

	return mark_get(st->fd, MARK_PLACE, &last) == 0 && last == sum(st);
}

void place_note(const struct store *st)
{
	if (!place_is_same(st))
		(void)!mark_set(st->fd, MARK_PLACE, sum(st)); /* else the next start walks */
}
