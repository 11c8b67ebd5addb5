/* SPDX-License-Identifier: MIT */
/*
 * A mark with a sum of the handle of the tree's directory: its number, and a generation that the filesystem takes at random.
 * The mark is copied along, and says another one then.
 */
#include "store/place.h"

#include <stdint.h>

#include "store/mark.h"

/* FNV-1a, of which a mark takes 63 bits. */
static int64_t sum(const struct handle *h)
{
	uint64_t n = UINT64_C(0xcbf29ce484222325);

	for (uint8_t i = 0; i < h->len; i++)
		n = (n ^ h->bytes[i]) * UINT64_C(0x100000001b3);
	return (int64_t)(n >> 1);
}

bool place_is_same(const struct store *st)
{
	int64_t last;

	return mark_get(st->fd, MARK_PLACE, &last) == 0 && last == sum(&st->tree);
}

void place_note(const struct store *st)
{
	if (!place_is_same(st))
		(void)!mark_set(st->fd, MARK_PLACE, sum(&st->tree)); /* else the next start walks */
}
