/* SPDX-License-Identifier: MIT */
/*
 * The names of an execution's flat files: a bag (a name may be in it twice for the moment of a rename)
 * that is added to, dropped from and walked by position in constant time. Not thread-safe: the owner's
 * lock.
 */
#ifndef EXEC_FLATS_H
#define EXEC_FLATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

struct flat {
	struct flat *next; /* the next of its bucket; free for the caller's use once popped */
	size_t at;	   /* its position; likewise */
	uint64_t hash;
	char name[];
};

/* All zero: empty. */
struct flats {
	struct flat **items;   /* owned, with what they point to; the first n, without holes */
	struct flat **buckets; /* owned; as many as there is room for items */
	size_t n;
	size_t room; /* 0 or a power of two */
};

void flats_done(struct flats *f);

/* 0 or -ENOMEM. */
int flats_add(struct flats *f, const char *name) WARN_UNUSED;

/* One of this name, if there is one. The last name takes its position. */
void flats_drop(struct flats *f, const char *name);

bool flats_has(const struct flats *f, const char *name);

/* The name at a position, valid until the next change; NULL from the n-th on. */
const char *flats_at(const struct flats *f, size_t at);

/* Take out the last one; the caller frees it. NULL if there is none. */
struct flat *flats_pop(struct flats *f);

#endif
