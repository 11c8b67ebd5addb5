/* SPDX-License-Identifier: MIT */
/*
 * How much memory the control groups of this process still allow. Limits hold from the group up to the root, so
 * the tightest of them counts. Reads /proc and /sys: the calling thread must see the host's (store_leave()).
 */
#ifndef STORE_MEMCG_H
#define STORE_MEMCG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

/* A group with a limit. */
struct memcg_use {
	uint64_t limit_bytes; /* UINT64_MAX: none, then used is 0 */
	uint64_t used_bytes;
	uint64_t shmem_bytes; /* of them pages of tmpfs and the like; 0 if it was not asked for */
};

/*
 * Of the groups of this process that have a limit, the one used most in proportion. Version 2 of the interface,
 * and 1. What cannot be read has no limit.
 */
void memcg_tightest(struct memcg_use *ret);

/*
 * The same, but what the kernel can drop (page cache of disks) is not in use, and only groups that have pages of a
 * tmpfs count: how near the end is for a store in memory.
 */
void memcg_tightest_hard(struct memcg_use *ret);

/* The same for the group in this directory and those above it, up to `top`; stat_prefix: NULL, or as memcg_tightest_hard()
 * and what names of sums begin with in memory.stat. For tests. */
void memcg_tightest_below(const char *top, const char *group, const char *limit_file,
			  const char *used_file, const char *stat_prefix, struct memcg_use *ret);

/* Whether `bytes` more leave a quarter of the limit free. */
bool memcg_has_room(const struct memcg_use *use, uint64_t bytes);

#endif
