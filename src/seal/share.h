/* SPDX-License-Identifier: MIT */
/*
 * Sharing: when a sealed file has the content of another, both become stubs of one blob; and blobs that nobody needs are
 * removed.
 *
 * A thread of idle policy, so that nobody waits for it. Who is in use is tried again after a while, and when his
 * last opener has closed. A new blob is a copy for as long as its stubs are still files, so without room for that it is
 * tried again later, and then left alone.
 */
#ifndef SEAL_SHARE_H
#define SEAL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "seal/garbage.h"
#include "seal/merge.h"

struct share_config {
	const struct store *store; /* borrowed, like the next */
	struct ledger *ledger;
	enum share_scope scope;
	uint64_t min_bytes; /* of a file; at least STUB_MIN counts; at the start */
};

struct share_counts {
	uint64_t stubs; /* files that became stubs since the start */
	uint64_t saved_bytes;
	uint64_t blobs_made;
	uint64_t blobs_removed;
	uint64_t dropped; /* files not looked at, because too many waited */
};

struct share;

int share_new(const struct share_config *config, struct share **ret) WARN_UNUSED;
/* Before anything is offered. Without make_stub nothing is shared, and garbage is removed all the same. */
void share_set_upcalls(struct share *s, const struct seal_upcalls *up);
/* Its thread; until then what is offered waits. -errno. */
int share_start(struct share *s) WARN_UNUSED;
/* Ends the thread. Others may still call, without effect. */
void share_end(struct share *s);
void share_free(struct share *s);

/* Another min_bytes, for what is sealed from now on. */
void share_set_min(struct share *s, uint64_t min_bytes);

/* A file was sealed. Never waits. */
void share_offer(struct share *s, uint64_t ino, const struct handle *h, uint64_t size_bytes);

/* Nobody has the file open any more. Never waits; nothing happens unless it waits for that. */
void share_idle(struct share *s, uint64_t ino, const struct handle *h);

void share_count(struct share *s, struct share_counts *ret);

#endif
