/* SPDX-License-Identifier: MIT */
/*
 * The trash: what is released goes here by one rename and is deleted in the background, by a thread of
 * low priority. What is still open or mapped stays readable for those who have it, as after any unlink.
 */
#ifndef STORE_TRASH_H
#define STORE_TRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "store/handle.h"
#include "util/macro.h"

struct trash;

/* trash_fd: the directory, borrowed for the life of the object. */
int trash_new(int trash_fd, struct trash **ret) WARN_UNUSED;

/* Starts the thread, which deletes what is there already, what an earlier process left as well. 0 or -errno. */
int trash_start(struct trash *t) WARN_UNUSED;

/*
 * A file that a client has taken a name from, and that has others: of these, it is not known which are, or will be, in the
 * trash. Part of what the caller has of it.
 */
struct trash_watch {
	struct trash_watch *next; /* trash's */
	uint64_t ino;
	int fd; /* O_PATH: as long as it is open, the number is no other file's. Owned by the caller */
};

/* What is told, from any thread, with any lock of up to LOCK_TRASH held. */
struct trash_upcalls {
	void *ctx; /* borrowed */
	/* A file has been deleted that has other names, which are in nobody's trash perhaps: its attributes have changed. */
	void (*left)(void *ctx, uint64_t ino, const struct handle *h);
	/* It is watched no more, and the caller's again. `gone`: its last name has been deleted here. */
	void (*watched)(void *ctx, struct trash_watch *w, bool gone);
};

/* NULL: nothing is told any more, nor watched; it is not running then. */
void trash_set_upcalls(struct trash *t, const struct trash_upcalls *up);

/*
 * 0: watched until it is told of, instead of what was watched of the same file; if there are too many, the oldest one is
 * not watched any more. 1: it has no name any more, and is not watched.
 */
int trash_watch(struct trash *t, struct trash_watch *w) WARN_UNUSED;

/* Somebody else removes its last name: it is not watched any more. */
void trash_unwatch(struct trash *t, uint64_t ino);

/* The thread stops after the entry it is at, which is not waited for; the rest waits for the next start. */
void trash_stop(struct trash *t);

/* The same, and waits for it. */
void trash_free(struct trash *t);

/* Move the entry `name` of `dirfd` into the trash. 0; -ENOENT if there is none; -errno. */
int trash_take(struct trash *t, int dirfd, const char *name) WARN_UNUSED;

/* The same if the entry is (still) the inode `ino`; else it stays, and the result is -ESTALE. */
int trash_take_inode(struct trash *t, int dirfd, const char *name, uint64_t ino) WARN_UNUSED;

/* Entries taken and not yet deleted, an estimate while the thread works. */
uint64_t trash_pending(struct trash *t);

/* Entries deleted for good since the start; of a directory with others in it, each of these counts as one. */
uint64_t trash_deleted(struct trash *t);

/* Delete everything now, in the calling thread. For tests and for a full store. */
int trash_empty(struct trash *t) WARN_UNUSED;

#endif
