/* SPDX-License-Identifier: MIT */
/*
 * Drafts: content that is on the disk from its first byte on, for a store in memory that is short of it. A draft is a
 * blob of one file only, which is its stub, and it may be written to; so it has no hash for a name, but the handle of
 * its file:
 *
 *     draft-TYPE-HANDLE     decimal, hexadecimal: the tree's inode that it is the content of
 *
 * It is needed as long as that inode is there and has the mark (store/stub.h), whatever the ledger says; so the file
 * may have several names, or none. Size and times of the content are the draft's: the stub is told them when the last
 * writer has closed, for those who look at the tree alone.
 *
 * Any thread.
 */
#ifndef STORE_DRAFT_H
#define STORE_DRAFT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "store/blob.h"
#include "store/handle.h"

#define DRAFT_PREFIX "draft-"

static inline bool draft_is(const struct blob_name *name)
{
	return strncmp(name->text, DRAFT_PREFIX, sizeof(DRAFT_PREFIX) - 1) == 0;
}

/* -EOVERFLOW: the handle is too long for a name. */
int draft_name_of(const struct handle *h, struct blob_name *ret) WARN_UNUSED;
/* -EINVAL: it is none. */
int draft_name_parse(const char *text, struct handle *ret) WARN_UNUSED;

/* Whether files that are made now are to start there: said by who looks how full the store is. */
void drafts_want(struct blobs *b, bool wanted);
bool drafts_wanted(const struct blobs *b);

/* Whether there are any: only then a file without blocks may be the stub of one. */
bool drafts_exist(const struct blobs *b);

/*
 * An empty one for the inode with this handle: opened for reading and writing, and pinned (store/blob.h). What was
 * left of another one goes. -ENOSPC: not even a little room is left there; -errno.
 */
int draft_make(struct blobs *b, const struct handle *h, struct blob_name *ret) WARN_UNUSED;

/*
 * The same with the content of a blob, or its reflink. What is there is not waited for to be on the disk: as with anything
 * that is written there.
 */
int draft_make_copy(struct blobs *b, const struct handle *h, const struct blob_name *from,
		    struct blob_name *ret) WARN_UNUSED;

/* Flags as open(2); O_CLOEXEC and O_NOFOLLOW are added. -ENOENT, -errno. */
int draft_open(struct blobs *b, const struct blob_name *name, int flags) WARN_UNUSED;

/* Nobody is its stub any more, or yet; what its size is has been told, or it is cut. */
void draft_remove(struct blobs *b, const struct blob_name *name);

/* Whether there is a file that is its stub. If that cannot be told there is. */
bool draft_is_needed(struct blobs *b, const struct blob_name *name);

/* As lease_writable(). */
int draft_is_writable(struct blobs *b, const struct blob_name *name) WARN_UNUSED;

/*
 * Tell its stub, whose inode is behind `stub` (open for writing), what size and time it has. *ret_bytes: the size. The
 * caller sees to it that nobody else does this at the same time. 0 or -errno.
 */
int draft_tell_stub(struct blobs *b, const struct blob_name *name, int stub, uint64_t *ret_bytes)
	WARN_UNUSED;

/* What a draft that is found counts for: what its stub was told. */
uint64_t draft_told_bytes(struct blobs *b, const struct blob_name *name);

#endif
