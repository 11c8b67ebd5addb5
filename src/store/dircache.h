/* SPDX-License-Identifier: MIT */
/*
 * Open directories by nodeid, so that a lookup or create costs no open_by_handle_at(2). A bounded set:
 * what does not fit is opened for the one use. Thread-safe.
 */
#ifndef STORE_DIRCACHE_H
#define STORE_DIRCACHE_H

#include <stdint.h>

#include "store/handle.h"

/*
 * Entries, powers of two; 1 descriptor each. Source: the directories a busy mount works in at a time; and as many as make
 * a stat among 10 000 directories cost what it costs among ten, where there are descriptors.
 */
#define DIRCACHE_MIN_BITS 9
#define DIRCACHE_MAX_BITS 14
#define DIRCACHE_MIN (1 << DIRCACHE_MIN_BITS)

struct dircache;

/* A directory in use: get it, use .fd, put it. */
struct dirref {
	int fd; /* borrowed from the cache, or owned when slot < 0 */
	int slot;
};

/* Told of each descriptor that is kept, with the lock held, and before it is closed. */
struct dircache_upcalls {
	void (*opened)(int fd);
	void (*closes)(int fd);
};

/* For at most `fds` descriptors, but for DIRCACHE_MIN whatever that is. up NULL: nobody is told. 0 or -ENOMEM. */
int dircache_new(int mount_fd, uint64_t fds, const struct dircache_upcalls *up,
		 struct dircache **ret) WARN_UNUSED;
void dircache_free(struct dircache *dc);

/* Descriptors are wanted for something else: those of the next `looks` entries are closed that nobody uses. */
void dircache_shrink(struct dircache *dc, size_t looks);

/* None is kept any more: all are closed that nobody uses. */
void dircache_end(struct dircache *dc);

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
