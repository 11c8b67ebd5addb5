/* SPDX-License-Identifier: MIT */
/*
 * Moves: a file's content is on its way into a blob, or back (content.h), or what a crash left of that is settled.
 * That takes as long as the content is large, so the inode's lock is not held for it. The file is in a list then,
 * which it enters and leaves under the lock. Whoever has the lock from move_lock_still() finds the content at rest,
 * and all times and attributes as they were; for a move changes the times, and sets them back.
 */
#ifndef FUSE_MOVE_H
#define FUSE_MOVE_H

#include "fuse/fs.h"

/* One of them, in the list. */
struct move {
	struct move *next;
	uint64_t ino;
};

/* False if that file is being moved already. */
bool move_begin(struct fs *fs, struct move *m, uint64_t ino) WARN_UNUSED;
void move_end(struct fs *fs, const struct move *m);

bool move_is_running(struct fs *fs, uint64_t ino);

/* Until nobody moves it: without any lock. */
void move_await(struct fs *fs, uint64_t ino);

/* The inode's lock, taken when nobody moves its content. The caller drops it. */
struct lock *move_lock_still(struct fs *fs, struct inode *inode);

/*
 * Attributes that were found by a name, before the inode was, may be of the middle of a move: unless none was seen
 * since a look before.
 */
struct move_look {
	uint64_t begun;
	bool quiet;
};
struct move_look move_look(struct fs *fs);
bool move_seen(struct fs *fs, const struct move_look *since);

#endif
