/* SPDX-License-Identifier: MIT */
/*
 * Blobs: content that several files share. STORE/blobs/NAME, a file of root's that is never written again once it
 * has its name. The files whose content it is are stubs (store/stub.h). A store in memory may have a second directory
 * for them, on a disk (store/blob_away.h); whoever opens a blob is not told where it is.
 *
 *     NAME    HASH-SIZE or HASH-SIZE-N    32 hexadecimal digits, decimal bytes, decimal from 1
 *             draft-TYPE-HANDLE           decimal, hexadecimal: see store/draft.h
 *
 * N tells blobs apart that would have the same name: another owner's, or another content with the same hash. A name
 * says what is in a blob, but proves nothing: whoever makes a file a stub compares byte by byte.
 *
 * Who needs a blob for the moment, without a row of the ledger that names it, pins it: while it is made and gets
 * its stub; for an open that the daemon serves; for a stub that lost its last name and is still known. To be
 * removed, a blob is doomed first; a pin takes that back. So: doom, ask the ledger, remove if none names it.
 *
 * Any thread. The lock (LOCK_BLOBS) is held across no more than one unlinkat(2).
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/copy.h"
#include "util/macro.h"

/* Hexadecimal digits of a hash. Source: XXH3-128, see seal/hash.h. */
#define BLOB_HASH_DIGITS 32

/* With the NUL. Source: 32 + "-" + 20 digits + "-" + 10 digits. */
#define BLOB_NAME_SIZE 65

/*
 * As many blobs of the same hash and size, at most, made here; and as many made away. Source: as many owners, or
 * collisions that somebody made.
 */
#define BLOB_SAME_MAX 4096

struct blob_name {
	char text[BLOB_NAME_SIZE]; /* always a valid name, or "" for none */
};

struct blobs;

/*
 * dirfd: STORE/blobs, borrowed for the life of the object. durable: what is reported as made is on the disk (not on
 * a tmpfs, where that means nothing).
 */
int blobs_new(int dirfd, bool durable, struct blobs **ret) WARN_UNUSED;
void blobs_free(struct blobs *b);

/* Whether the filesystem of the store keeps what is written to it. */
bool blobs_durable(const struct blobs *b);

/*
 * When the power fails, it may have kept later changes and lost earlier ones, since what is synced overtakes the rest
 * (btrfs). ext4 and XFS do not: what they keep is a beginning of what happened. Before blobs are used.
 */
void blobs_set_unordered(struct blobs *b);

/*
 * Before blobs are removed: that nobody needs them is not lost any more, by what it follows from (marks that went, files
 * that went). Waits for the disk where that is not so anyhow. 0 or -errno.
 */
int blobs_keep_order(struct blobs *b) WARN_UNUSED;

/* -EINVAL if the text is no name. */
int blob_name_parse(const char *text, struct blob_name *ret) WARN_UNUSED;

/* The bytes it has, of a valid name; 0 if that does not say (a draft's). */
uint64_t blob_name_bytes(const struct blob_name *name);

static inline bool blob_name_equal(const struct blob_name *a, const struct blob_name *b)
{
	return __builtin_strcmp(a->text, b->text) == 0;
}

/* What a blob is made from. */
struct blob_source {
	int fd;		/* readable; nobody changes it meanwhile, or the caller finds out */
	uint64_t bytes; /* its size */
	char hash[BLOB_HASH_DIGITS + 1]; /* lower case */
	copy_may_fn *may;		 /* before each piece that is copied; NULL: always */
	/* 0 if what is behind fd has the hash, or -errno, which ends it. Before it gets its name; NULL: no check. */
	int (*check)(void *ctx, int fd);
	void *ctx;
};

/*
 * Make a blob: a reflink of the source where the filesystem can, else a copy with the same holes. On return it is
 * complete, on disk if durable, and pinned for the caller. -ENOSPC, -ECANCELED (may() said no), -EUCLEAN (the source
 * does not have this size), what check() said, -errno: then nothing is left of it. Blocks for the copying.
 */
int blob_make(struct blobs *b, const struct blob_source *source, struct blob_name *ret) WARN_UNUSED;

/* For reading. The descriptor is the caller's, and good for as long as it is open, whatever becomes of the name. */
int blob_open(struct blobs *b, const struct blob_name *name) WARN_UNUSED;

/* The same as O_PATH, which does not count as an open file. */
int blob_open_path(struct blobs *b, const struct blob_name *name) WARN_UNUSED;

/* Counted. Pinning fails with -ENOMEM only, also if there is no such blob. */
int blob_pin(struct blobs *b, const struct blob_name *name) WARN_UNUSED;
void blob_unpin(struct blobs *b, const struct blob_name *name);
bool blob_is_pinned(struct blobs *b, const struct blob_name *name);

/*
 * Say that it may be removed: -EBUSY if it is pinned, or on its way elsewhere. Later, when nothing names it, remove it: -EBUSY if it was
 * pinned meanwhile; or let it be.
 */
int blob_doom(struct blobs *b, const struct blob_name *name) WARN_UNUSED;
int blob_remove_doomed(struct blobs *b, const struct blob_name *name) WARN_UNUSED;
void blob_spare(struct blobs *b, const struct blob_name *name);

/* Attributes of the file that it is. -ENOENT, -errno. */
int blob_stat(struct blobs *b, const struct blob_name *name, struct stat *ret) WARN_UNUSED;

struct blob_info {
	struct blob_name name;
	bool away;	       /* not in the store: see blob_away.h */
	uint64_t bytes;	       /* its size */
	uint64_t stored_bytes; /* what it takes on the filesystem */
};

/*
 * Every blob; entries of the directory that have no valid name are passed with the name "". `entry` is the name in
 * the directory. `each` returns 0 to go on; its other values are returned.
 */
int blob_each(struct blobs *b,
	      int (*each)(void *arg, const struct blob_info *info, const char *entry), void *arg)
	WARN_UNUSED;

/* About how many there are: names, not looked at. 0 if that fails. */
uint64_t blob_count(struct blobs *b);

#endif
