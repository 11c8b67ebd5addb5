/* SPDX-License-Identifier: MIT */
/*
 * The blobs from inside, for blob.c (making and finding), blob_pin.c (who needs one for the moment) and blob_away.c (the
 * second directory).
 */
#ifndef STORE_BLOB_TABLE_H
#define STORE_BLOB_TABLE_H

#include <stdatomic.h>

#include "store/blob.h"
#include "util/lock.h"

/* Chains of the table. Source: opens of stubs that the daemon serves, and blobs in the making: some tens. */
#define BLOB_CHAINS 256

/* A blob that is pinned, doomed or leaving. */
struct blob_held {
	struct blob_held *next; /* owned */
	struct blob_name name;
	uint32_t pins;
	bool doomed;  /* never with pins */
	bool leaving; /* who opens it now is given the copy that is away */
};

struct blobs {
	/* Constant once blobs are used. */
	int dirfd;   /* borrowed */
	int away_fd; /* borrowed; -1: there is no other directory */
	bool durable;
	bool unordered;

	struct lock lock;		       /* rank LOCK_BLOBS */
	struct blob_held *chains[BLOB_CHAINS]; /* blobs.lock; owned */

	_Atomic uint32_t leaving; /* changes under the lock: how many are */
	_Atomic uint64_t away_blobs;
	_Atomic uint64_t away_bytes; /* their sizes */
	_Atomic uint64_t drafts;     /* of those, see draft.h */
	_Atomic uint64_t drafts_made;
	_Atomic bool drafts_wanted;
};

struct blob_held **blob_find_locked(struct blobs *b, const struct blob_name *name);
/* Its entry, made if there is none; NULL: no memory. */
struct blob_held *blob_hold_locked(struct blobs *b, const struct blob_name *name);
/* The entry goes if nothing is left that it says. */
void blob_let_go_locked(struct blob_held **at);

/* At the end: all of them. */
void blob_forget_all(struct blobs *b);

bool blob_is_leaving(struct blobs *b, const struct blob_name *name);

/* A nameless file in one of the directories, with what the source has, checked, and on its disk if `durable`. */
int blob_fill(int dirfd, bool durable, const struct blob_source *source) WARN_UNUSED;

/* Name number `number` of what the source has. */
void blob_write_name(const struct blob_source *source, uint32_t number, struct blob_name *ret);

#endif
