/* SPDX-License-Identifier: MIT */
/*
 * The store: a directory on a backing filesystem that holds everything of one mount.
 *
 *     STORE/              mode 0700
 *       lock              "batonfs store, format 2\n"; flock()ed by the process that has it mounted
 *       tree/             the namespace, as the mount shows it
 *       blobs/            content that several files of the tree share, see store/blob.h
 *       trash/            released, being deleted
 *       ledger.db         see ledger/
 *
 * The object owns the descriptors; opening and closing is for main, everything else may be called from any
 * thread.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blob.h"
#include "store/handle.h"
#include "store/memory.h"

/*
 * The format this version writes. It reads those before: 1 has no blobs, and its programs would take a stub for a
 * file with a hole, so a store of theirs becomes one of this format when it is opened.
 */
#define STORE_FORMAT 2

struct store {
	/* All constant after store_open(). */
	char *path;	     /* owned; absolute, in the namespace where the store is */
	bool memory;	     /* a private tmpfs */
	bool huge;	     /* ... that gives huge pages */
	struct memory_ns ns; /* memory only */
	int fd;		     /* STORE, not O_PATH: also the mount descriptor of handles */
	int lock_fd;
	int tree_fd;
	int trash_fd;
	int blobs_fd;
	struct blobs *blobs;	/* owned */
	struct handle tree;	/* of tree/ */
	const char *filesystem; /* "ext4", "tmpfs", ...; a constant string */
};

/* Why store_open() failed, for one line to a person. */
struct store_error {
	char text[512];
};

/*
 * Open the store that `source` names: "memory", "memory:SIZE", "memory:PERCENT%", or an existing directory
 * that is empty or a store already. Checks that the filesystem can do what is needed. On failure nothing is
 * changed or left mounted, *error says what is wrong and what to do, and the result is -EINVAL (source not
 * of the form), -ENOENT, -ENOTDIR, -EACCES, -EROFS, -EBUSY (another process has it), -EPROTONOSUPPORT
 * (format of a newer version), -ENOTEMPTY (not a store, not empty), -EOPNOTSUPP (filesystem unsuitable),
 * -EPERM (privilege) or another -errno. For a memory store the caller is in the private namespace
 * afterwards.
 */
int store_open(const char *source, struct store *ret, struct store_error *error) WARN_UNUSED;
void store_close(struct store *st);

/*
 * One that another program had open: path, memory, huge, ns and the descriptors are what it said. The rest is found out.
 * 0 or -errno.
 */
int store_adopt(struct store *st) WARN_UNUSED;

/* Its directory may have been moved since it was opened: `path` is where it is now, or if that cannot be told, as before. */
void store_find_again(struct store *st);

/* Move the calling thread to where the mount belongs, and back. No-ops for a directory. */
int store_leave(const struct store *st) WARN_UNUSED;
int store_enter(const struct store *st) WARN_UNUSED;

/* An inode of the store; see handle_open(). */
int store_open_handle(const struct store *st, const struct handle *h, int flags) WARN_UNUSED;

#endif
