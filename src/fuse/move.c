/* SPDX-License-Identifier: MIT */
/*
 * The list of moves: as long as there are moves at a time, which is seldom one.
 */
#include "fuse/move.h"

static bool is_moving_locked(const struct fs *fs, uint64_t ino)
{
	for (const struct move *m = fs->moves; m; m = m->next) {
		if (m->ino == ino)
			return true;
	}
	return false;
}

bool move_is_running(struct fs *fs, uint64_t ino)
{
	if (atomic_load(&fs->moving) == 0)
		return false;
	LOCK_SCOPE(&fs->moves_lock);
	return is_moving_locked(fs, ino);
}

void move_await(struct fs *fs, uint64_t ino)
{
	LOCK_SCOPE(&fs->moves_lock);
	while (is_moving_locked(fs, ino))
		lock_wait(&fs->moves_lock, &fs->moved);
}

bool move_begin(struct fs *fs, struct move *m, uint64_t ino)
{
	LOCK_SCOPE(&fs->moves_lock);
	if (is_moving_locked(fs, ino))
		return false;
	*m = (struct move){ .next = fs->moves, .ino = ino };
	fs->moves = m;
	atomic_fetch_add(&fs->moving, 1);
	atomic_fetch_add(&fs->moves_begun, 1);
	return true;
}

void move_end(struct fs *fs, const struct move *m)
{
	LOCK_SCOPE(&fs->moves_lock);
	for (struct move **at = &fs->moves; *at; at = &(*at)->next) {
		if (*at == m) {
			*at = m->next;
			break;
		}
	}
	atomic_fetch_sub(&fs->moving, 1);
	(void)pthread_cond_broadcast(&fs->moved);
}

struct lock *move_lock_still(struct fs *fs, struct inode *inode)
{
	struct lock *lock = itable_lock(fs->itable, inode);

	lock_take(lock);
	while (move_is_running(fs, inode->ino)) {
		lock_drop(lock);
		move_await(fs, inode->ino);
		lock_take(lock);
	}
	return lock;
}

struct move_look move_look(struct fs *fs)
{
	struct move_look look = { .begun = atomic_load(&fs->moves_begun) };

	look.quiet = atomic_load(&fs->moving) == 0;
	return look;
}

bool move_seen(struct fs *fs, const struct move_look *since)
{
	return !since->quiet || atomic_load(&fs->moves_begun) != since->begun;
}
