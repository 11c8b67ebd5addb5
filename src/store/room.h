/* SPDX-License-Identifier: MIT */
/*
 * How full a store is: by bytes, by inodes and, if it is in memory, by what the control groups of this process
 * still allow; and the marks that say when that is too full.
 */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* One thing that can run out. */
struct room_part {
	uint64_t used;
	uint64_t total; /* 0: it does not run out */
};

struct room {
	struct room_part
		bytes; /* of the filesystem; what is kept for root counts as used by nobody */
	struct room_part inodes; /* of the filesystem */
	/* Bytes of the tightest control group that holds pages of a memory store; what the kernel can drop is free. */
	struct room_part memory;
};

/*
 * Cheap: one statfs(2); for a store in memory also some files of /proc and /sys, for which the calling thread must
 * see the host's (store_leave()). 0 or -errno.
 */
int room_look(const struct store *st, struct room *ret) WARN_UNUSED;

/* How full it may be: all zero is "never too full". */
struct room_mark {
	double percent;	     /* in use, if not 0 */
	uint64_t free_bytes; /* left, if percent is 0 */
};

/* Too full above `high`: then as much goes as brings it below `low`. */
struct room_marks {
	struct room_mark high;
	struct room_mark low;
};

/* "90%", "2G" (left free), "never". 0, -EINVAL, -ERANGE. */
int room_parse_mark(const char *s, struct room_mark *ret) WARN_UNUSED;
/* The same as text; returns buf. */
const char *room_format_mark(const struct room_mark *m, char *buf, size_t len);
bool room_mark_is_set(const struct room_mark *m);

/* Where to stop if only `high` is given: 5/6 of the share in use, or twice as much free. */
struct room_mark room_default_low(const struct room_mark *high);
/* Whether reaching `low` leaves more free than `high` does, for a filesystem of this size. */
bool room_marks_fit(const struct room_mark *high, const struct room_mark *low,
		    uint64_t total_bytes);

/* What is in use beyond a mark. */
struct room_excess {
	uint64_t bytes;
	uint64_t inodes;
};

void room_excess(const struct room *room, const struct room_mark *m, struct room_excess *ret);
static inline bool room_is_over(const struct room_excess *x)
{
	return x->bytes > 0 || x->inodes > 0;
}

/* Bytes that may still be added before a mark is passed. */
uint64_t room_left_bytes(const struct room *room, const struct room_mark *m);

#endif
