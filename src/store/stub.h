/* SPDX-License-Identifier: MIT */
/*
 * Stubs: files of the tree whose content is a blob's. A stub keeps its inode, size, times, owner, mode, attributes
 * and links, but has no blocks of its own; `trusted.batonfs.blob` names the blob: its NAME, or while blocks come or go
 * NAME@SECONDS.NANOSECONDS, hexadecimal, with the time that the file's content was modified.
 *
 *     file --mark set--> stub --punched--> stub without blocks --content copied in--> stub --mark gone--> file
 *              ^----------- a crash here leaves a stub with blocks; stub_settle() punches it -----------^
 *
 * The rule: a file with the mark, and of the size that the name in it says, is a stub, and what is read is the
 * blob, whatever blocks it has. With another size the mark is a remainder of stub_drop(), and means nothing. The name of
 * a draft (store/draft.h) says no size: with that mark it is a stub.
 *
 * None of this looks after who has the file open: that is the caller's. Changing the layout changes the ctime.
 */
#ifndef STORE_STUB_H
#define STORE_STUB_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/blob.h"

/* Smaller files are never stubs. Source: below that, a file's blocks are fewer than the trouble; SEALER_MIN. */
#define STUB_MIN (UINT64_C(64) << 10)

/*
 * Whether the file may be a stub, so that it is worth asking stub_get(). unsettled: the store was not closed in
 * order, and the walk has not yet come by everywhere to settle what a crash left.
 */
bool stub_maybe(const struct stat *st, bool unsettled);

/* Whether a stub has more blocks than the filesystem uses for its attributes. */
bool stub_has_blocks(const struct stat *st);

/*
 * Which blob the inode behind fd (O_PATH will do), which has this size, is a stub of. 0 if so; -ENODATA: an ordinary
 * file; -ESTALE: likewise, but the mark must go before it can have that size again (stub_settle()); -EINVAL: the mark
 * is damaged; -errno.
 */
int stub_get(int fd, uint64_t size_bytes, struct blob_name *ret) WARN_UNUSED;

/*
 * Make the file behind fd (open for writing, by handle) a stub of a blob that has been seen to have the same content,
 * and is pinned. Nobody else may have it open, mapped, or be about to. -EPERM: it has a capability, or cannot
 * be changed; -EUCLEAN: sizes differ; -ENOSPC: no room for the mark; -errno. After an error it is the file that it was.
 * 0: it is a stub; if the disk refused more than one step it may have kept its blocks, so that stub_maybe() does not
 * tell.
 */
int stub_make(struct blobs *b, int fd, const struct blob_name *name) WARN_UNUSED;

/*
 * Make an empty file such a stub, as a copy of the blob. Its mark comes first, and its size says that it is one: at no
 * moment it has another content than none or the blob's. -EUCLEAN: it is not empty, or has blocks; -errno. After an
 * error it is empty.
 */
int stub_make_empty(int fd, const struct blob_name *name) WARN_UNUSED;

/*
 * Make an empty file, or the stub of another blob, the stub of a draft (store/draft.h) that has the same content; fd open
 * for writing. At any moment it is the one or the other. After an error it is what it was.
 */
int stub_redirect(int fd, const struct blob_name *draft) WARN_UNUSED;

/*
 * Bring the content of a stub home: afterwards it is an ordinary file. fd open for reading and writing. Takes a reflink
 * or the copying, and a disk store's fdatasync. After an error (-ENOSPC, -ENOENT: no such blob, -EIO, ...) it is a
 * stub as before, perhaps with blocks, as above. Whoever has the blob itself open goes on reading that.
 */
int stub_home(struct blobs *b, int fd, const struct blob_name *name) WARN_UNUSED;

/* The content is not wanted: cut the file to 0 and make it an ordinary one. -errno: then it is a stub as before. */
int stub_drop(int fd) WARN_UNUSED;

/*
 * Finish or undo what a crash left of a file that nobody else is at work on: blocks of a stub are punched, its time is set
 * back, the mark of a file of another size is removed. fd open for reading and writing. 1 if there was something to do, 0 if
 * not, -EINVAL: the mark is damaged, -errno. *ret_name: the blob, or "".
 */
int stub_settle(int fd, struct blob_name *ret_name) WARN_UNUSED;

#endif
