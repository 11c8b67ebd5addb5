/* SPDX-License-Identifier: MIT */
/*
 * Sealing: what is done to a file in the background once its last writer has closed it.
 *
 * The front says which file was closed (seal_closed()) and answers whether it still is (seal_upcalls); the file
 * itself is reached by its handle. Nobody waits for this layer, and nothing depends on it.
 *
 * Huge pages, on a store that is a tmpfs: files that streamed in, of a length nobody knew, are collapsed into 2 MiB
 * pages by a thread of raised priority, so that this is done before the reader has come far, also on a busy
 * machine. It costs 0.25 ms of a CPU for each 2 MiB. The new pages are charged to this process's memory cgroup
 * instead of the writer's; `auto` therefore stops at three quarters of its limit. Disk filesystems: nothing
 * (ARCHITECTURE.md, "Huge pages on disk", has the numbers).
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/handle.h"
#include "store/store.h"

enum seal_hugepages {
	SEAL_HUGEPAGES_AUTO,
	SEAL_HUGEPAGES_ALWAYS,
	SEAL_HUGEPAGES_OFF,
};

struct seal_config {
	enum seal_hugepages hugepages;
};

/* Calls upward; from this layer's threads, with no lock held. */
struct seal_upcalls {
	void *ctx;
	/* Whether nobody has the file open for writing. */
	bool (*is_closed)(void *ctx, uint64_t ino, const struct handle *h);
};

struct seal_counts {
	uint64_t collapsed_bytes; /* in huge pages since the start */
	uint64_t dropped;	  /* files not looked at, because too many waited */
};

struct seal;

int seal_new(const struct store *store, const struct seal_config *config, struct seal **ret)
	WARN_UNUSED;
void seal_free(struct seal *s);

/* Before the first seal_closed(). */
void seal_set_upcalls(struct seal *s, const struct seal_upcalls *up);

/* The last writer has closed a regular file, which has this size now. Never waits. */
void seal_closed(struct seal *s, uint64_t ino, const struct handle *h, uint64_t size_bytes);

void seal_count(struct seal *s, struct seal_counts *ret);

#endif
