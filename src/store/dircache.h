/* SPDX-License-Identifier: MIT */
/*
 * Open directories by nodeid, so that a lookup or create costs no open_by_handle_at(2). A bounded set:
 * what does not fit is opened for the one use. Thread-safe.
 */
#ifndef STORE_DIRCACHE_H
#define STORE_DIRCACHE_H

#include <stdint.h>

#include "store/handle.h"

/* Entries. Source: the directories a busy mount works in at a time; 1 descriptor each. */
#define DIRCACHE_SLOTS 512

struct dircache;

/* A directory in use: get it, use .fd, put it. */
struct dirref {
	int fd; /* borrowed from the cache, or owned when slot < 0 */
	int slot;
};

int dircache_new(int mount_fd, struct dircache **ret) WARN_UNUSED;
void dircache_free(struct dircache *dc);

/* The directory `h`, cached under `nodeid`. 0 or -errno. The fd is O_PATH. */
int dircache_get(struct dircache *dc, uint64_t nodeid, const struct handle *h, struct dirref *ret)
	WARN_UNUSED;
void dircache_put(struct dircache *dc, struct dirref *ref);

/* How often a directory was asked for that was open already, and that was not: since the start. */
struct dircache_counts {
	uint64_t hits;
	uint64_t misses;
};

void dircache_count(struct dircache *dc, struct dircache_counts *ret);

/* Forget what is cached under `nodeid`: it goes away or becomes another directory. */
void dircache_drop(struct dircache *dc, uint64_t nodeid);

#endif
