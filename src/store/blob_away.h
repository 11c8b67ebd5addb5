/* SPDX-License-Identifier: MIT */
/*
 * Blobs away from the store: a second directory, on another filesystem, for what need not be in memory. A name
 * stands for one content, wherever that is; so a blob may go away while files are its stubs:
 *
 *     here --blob_send()--> here and away --blob_leave_begin()--> who opens it gets the copy that is away
 *                                ^                                           |
 *                                '------------blob_leave_end(false)----------+--blob_leave_end(true)--> away
 *
 * Whoever has the copy that is here open or mapped keeps that, but he would not be known for a user of the blob any
 * more (blob_in_use()). So between begin and end the caller makes sure that nobody has.
 */
#ifndef STORE_BLOB_AWAY_H
#define STORE_BLOB_AWAY_H

#include "store/blob.h"

/*
 * The other directory, borrowed for the life of the object; before anything else is called. What is in it is counted:
 * nothing, but for what a process had there whose place this one takes.
 */
void blobs_set_away(struct blobs *b, int dirfd);
bool blobs_have_away(const struct blobs *b);

/*
 * blob_make(), but away: complete and on its disk when it has its name, none of it left in the page cache. The names
 * are others than those of blobs made here.
 */
int blob_make_away(struct blobs *b, const struct blob_source *source, struct blob_name *ret)
	WARN_UNUSED;

/*
 * A copy of a blob to be away, compared with it. 0, also if there is one already; -ENOENT: it is not here; -ECANCELED
 * (may() said no), -EIO (it has not what was written), -ENOSPC, -errno: then nothing has changed.
 */
int blob_send(struct blobs *b, const struct blob_name *name, copy_may_fn *may, void *ctx)
	WARN_UNUSED;

/*
 * -EBUSY: somebody has it pinned, or wants to remove it; -ENOENT: there is no copy away. After 0 the end is to be
 * called: `go`: the copy that is here is removed, unless the blob is pinned: -EBUSY.
 */
int blob_leave_begin(struct blobs *b, const struct blob_name *name) WARN_UNUSED;
int blob_leave_end(struct blobs *b, const struct blob_name *name, bool go);

/* Whether so much may still be put there; a twentieth of that filesystem is left to others. */
bool blob_away_has_room(const struct blobs *b, uint64_t bytes);

/* Whether it is away, and not here. */
bool blob_is_away(struct blobs *b, const struct blob_name *name);

/* Whether somebody has it open or mapped (lease.h), here or away. 1, 0 (also if there is none), -errno. */
int blob_in_use(struct blobs *b, const struct blob_name *name) WARN_UNUSED;
/* The same of the copy that is here. */
int blob_in_use_here(struct blobs *b, const struct blob_name *name) WARN_UNUSED;

struct blob_away_counts {
	uint64_t blobs;	     /* that are away now */
	uint64_t bytes;	     /* their sizes */
	uint64_t free_bytes; /* what may still be put there */
	uint64_t drafts;     /* that were made since the start (draft.h) */
	bool drafts_wanted;  /* new files begin there now */
};

void blob_count_away(const struct blobs *b, struct blob_away_counts *ret);

#endif
