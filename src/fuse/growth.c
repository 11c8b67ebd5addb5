/* SPDX-License-Identifier: MIT */
/*
 * Growth.
 */
#include "fuse/growth.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "exec/limit.h"
#include "fuse/content.h"
#include "fuse/node_exec.h"
#include "fuse/request.h"
#include "util/clock.h"

/* How long a close is waited for. Source: a busy machine runs whoever takes notice of it within that. */
#define CLOSE_WAIT_NS NS_PER_MS
#define CLOSE_WAIT_ROUNDS 20

static bool has_limits(const struct fs *fs)
{
	struct exec_limits limits = exec_default_limits(fs->execs);

	return limits.bytes > 0 || limits.files > 0;
}

int growth_open(struct fs *fs, struct execution *e)
{
	struct exec_limits limits = exec_default_limits(fs->execs);

	if (limits.bytes == 0 || limits.strict)
		return 0;
	return exec_is_spent(fs->execs, e) ? -EDQUOT : 0;
}

/* By the last process, which did not answer: it had been granted, and is in the sums perhaps. */
static bool was_created(const struct target *t, const char *name)
{
	return request_again(CHANGE_MAKE) &&
	       faccessat(t->ref.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int growth_create(struct fs *fs, struct target *t, const char *name)
{
	int r;

	if (!has_limits(fs) || was_created(t, name))
		return 0;
	r = growth_open(fs, t->exec);
	if (r == 0)
		r = exec_take(fs->execs, t->exec, 1, 0);
	t->charged = r == 0;
	return r;
}

void growth_not_created(struct target *t)
{
	if (t->charged)
		exec_account(t->exec, -1, 0);
	t->charged = false;
}

/* Returns whether it got all of it. */
static bool begin(struct fs *fs, struct inode *inode, uint64_t end, struct growth *ret)
{
	uint64_t missing;
	bool nameless;

	LOCK_SCOPE(itable_lock(fs->itable, inode));
	nameless = node_is_nameless(inode);
	ret->before = inode->size_accounted;
	ret->taken = 0;
	missing = end > ret->before ? end - ret->before : 0;
	if (missing == 0 ||
	    (nameless && inode->nopen == 0)) /* by a path of /proc: as good as gone */
		return true;
	ret->taken = exec_take_some(fs->execs, inode->exec, missing, nameless);
	inode->size_accounted += ret->taken;
	return ret->taken == missing;
}

static void give_back(struct fs *fs, struct inode *inode, const struct growth *g)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	node_charge_locked(inode, g->before);
}

bool growth_wait(int round)
{
	struct timespec ts = { .tv_nsec = CLOSE_WAIT_NS };

	if (round >= CLOSE_WAIT_ROUNDS)
		return false;
	(void)nanosleep(&ts, NULL);
	return true;
}

/*
 * Who has closed and unlinked a file may write the next one before the word of the close is here. False: there is no
 * such file, or it is really open.
 */
static bool wait_for_closes(struct fs *fs, struct inode *inode, int round)
{
	struct execution *e = node_exec(fs, inode);
	bool may = size_sum_get(&e->nameless_bytes) > 0;

	exec_unref(fs->execs, e);
	return may && growth_wait(round);
}

/* One that was split off joins its file again, or is not the one that is charged for it. */
static int rejoin(struct fs *fs, struct inode *inode)
{
	_cleanup_(lock_dropp) struct lock *lock = NULL;

	if (!(atomic_load(&inode->flags) & INODE_SPLIT))
		return 0;
	lock = move_lock_still(fs, inode);
	return content_learn_locked(fs, inode, -1);
}

int growth_begin(struct fs *fs, struct inode *inode, uint64_t end, bool some, struct growth *ret)
{
	int r;

	*ret = (struct growth){ .taken = GROWTH_FREE };
	if (exec_default_limits(fs->execs).bytes == 0)
		return 0;
	r = rejoin(fs, inode);
	if (r < 0)
		return r;
	for (int i = 0; !begin(fs, inode, end, ret); i++) {
		bool again = wait_for_closes(fs, inode, i);

		if (!again && some)
			return 0;
		give_back(fs, inode, ret);
		if (!again)
			return -EDQUOT;
	}
	return 0;
}

void growth_end(struct fs *fs, struct inode *inode, const struct growth *g, uint64_t end)
{
	if (g->taken == GROWTH_FREE || g->taken == 0)
		return;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		node_charge_locked(inode, MAX_OF(g->before, end));
	}
	if (end > g->before)
		reaper_grown(fs->reaper, end - g->before);
}

void growth_account(struct fs *fs, struct inode *inode, uint64_t size_bytes)
{
	node_account_size(fs, inode, size_bytes);
	if (exec_default_limits(fs->execs).bytes > 0 &&
	    !(atomic_load(&inode->flags) & INODE_ORPHAN))
		ledger_file_size(fs->ledger, inode->ino, size_bytes);
}

void growth_closed(struct fs *fs, struct inode *inode, uint64_t size_bytes)
{
	if (growth_is_watched(fs)) /* it is charged; another writer may be at it */
		ledger_file_size(fs->ledger, inode->ino, size_bytes);
	else
		growth_account(fs, inode, size_bytes);
}

int growth_take(struct fs *fs, struct execution *e, uint64_t files, uint64_t bytes,
		struct growth_take *ret)
{
	int r;

	*ret = (struct growth_take){ 0 };
	if (!has_limits(fs))
		return 0;
	r = exec_take(fs->execs, e, files, bytes);
	if (r == 0)
		*ret = (struct growth_take){ .exec = e, .files = files, .bytes = bytes };
	return r;
}

void growth_taken(struct growth_take *take)
{
	if (take->exec)
		exec_account(take->exec, -(int64_t)take->files, -(int64_t)take->bytes);
	take->exec = NULL;
}
