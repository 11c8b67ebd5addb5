/* SPDX-License-Identifier: MIT */
/*
 * The front's side of seal/upcalls.h: whether a file can be written to, and what ends with that.
 *
 * INODE_CLAIMED and INODE_SEALED are set and cleared under the inode's lock. The claims there are (one for each thread
 * of seal/) are in a list, because a file may be claimed, written, and claimed again before the first claim is
 * settled, which then must not count.
 */
#include <errno.h>

#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/forgotten.h"
#include "fuse/fs.h"
#include "fuse/home.h"
#include "fuse/node.h"
#include "store/lease.h"

void node_unseal_locked(struct fs *fs, struct inode *inode)
{
	uint32_t both = INODE_CLAIMED | INODE_SEALED;

	if (!(atomic_load(&inode->flags) & both))
		return;
	atomic_fetch_and(&inode->flags, ~both);
	LOCK_SCOPE(&fs->claims_lock);
	for (struct seal_claim *c = fs->claims; c; c = c->next) {
		if (c->inode == inode)
			c->broken = true;
	}
}

int node_write_begin(struct fs *fs, struct inode *inode, bool wanted)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	int r = content_learn_locked(fs, inode, -1);

	if (r == 0)
		r = home_own_locked(fs, inode, lock, wanted);
	if (r != 0)
		return r == 1 ? -ESTALE : r;
	inode->nwriting++;
	node_unseal_locked(fs, inode);
	return 0;
}

bool node_write_end(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return --inode->nwriting == 0 && inode->nopen_write == 0;
}

/* 0 if nobody can write to it, -EBUSY, -errno. An open under way counts already, so the lease delays nobody. */
static int check_final_locked(struct fs *fs, struct inode *inode)
{
	uint32_t flags = atomic_load(&inode->flags);
	int r;

	if (flags & INODE_ORPHAN)
		return -ESTALE;
	if (inode->nopen_write > 0 || inode->nwriting > 0)
		return -EBUSY;
	if (flags & INODE_SEALED)
		return 0;
	r = drafting_is(inode) ? drafting_is_writable(fs, inode)
			       : lease_writable(fs->store->fd, &inode->handle);
	return r > 0 ? -EBUSY : r;
}

bool node_is_final(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return check_final_locked(fs, inode) == 0;
}

/* ---- upcalls ---- */

/* Opens, and those of them that may write. None if the kernel does not know the file. */
static void count_opens(struct fs *fs, uint64_t ino, const struct handle *h, uint32_t *ret_opens,
			uint32_t *ret_writers)
{
	struct inode *inode = itable_peek(fs->itable, ino, h);

	*ret_opens = *ret_writers = 0;
	if (!inode)
		return;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		*ret_opens = inode->nopen;
		*ret_writers = inode->nopen_write + inode->nwriting;
	}
	itable_unref(fs->itable, inode);
}

uint64_t fs_traffic(void *ctx)
{
	return fs_requests(ctx);
}

bool fs_is_closed(void *ctx, uint64_t ino, const struct handle *h)
{
	uint32_t opens, writers;

	count_opens(ctx, ino, h, &opens, &writers);
	return writers == 0;
}

bool fs_is_open(void *ctx, uint64_t ino, const struct handle *h)
{
	uint32_t opens, writers;

	count_opens(ctx, ino, h, &opens, &writers);
	return opens > 0 || move_is_running(ctx, ino);
}

/*
 * Whoever opens it from now on takes the lock first. Those who had it open before count in nopen until the kernel has let
 * go of their files; the mappings they have left behind are looked for later (home_leave_locked()).
 */
static int check_closed_locked(const struct inode *inode, const struct seal_claim *claim)
{
	if (claim->broken)
		return -ECANCELED;
	if (atomic_load(&inode->flags) & INODE_ORPHAN)
		return -ESTALE;
	if (inode->nopen > 0 || inode->nwriting > 0)
		return -EBUSY;
	return atomic_load(&inode->flags) & INODE_STUB ? -EEXIST : 0;
}

/*
 * Whether another claimant learns what is in it. He has it open, or is about to, and would read it while it is punched; nobody
 * claims it for that while it is moved (claim_locked()).
 */
static bool is_being_learned_locked(struct fs *fs, const struct seal_claim *claim)
{
	LOCK_SCOPE(&fs->claims_lock);
	for (const struct seal_claim *c = fs->claims; c; c = c->next) {
		if (c->inode == claim->inode && c != claim && !c->sealed)
			return true;
	}
	return false;
}

int fs_make_stub(void *ctx, struct seal_claim *claim, const struct blob_name *name)
{
	struct fs *fs = ctx;
	struct inode *inode = claim->inode;
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	int r = content_learn_locked(fs, inode, -1);

	if (r == 0)
		r = check_closed_locked(inode, claim);
	if (r == 0 && is_being_learned_locked(fs, claim))
		r = -EBUSY;
	return r < 0 ? r : home_leave_locked(fs, inode, lock, name, false);
}

static int claim_locked(struct fs *fs, struct inode *inode, struct seal_claim *ret)
{
	int r = check_final_locked(fs, inode);

	if (r < 0)
		return r;
	if (!(atomic_load(&inode->flags) & INODE_SEALED) && move_is_running(fs, inode->ino))
		return -EBUSY; /* it would be read while it is punched */
	*ret = (struct seal_claim){
		.inode = inode,
		.sealed = atomic_fetch_or(&inode->flags, INODE_CLAIMED) & INODE_SEALED,
	};
	LOCK_SCOPE(&fs->claims_lock);
	ret->next = fs->claims;
	fs->claims = ret;
	return 0;
}

int fs_claim(void *ctx, uint64_t ino, const struct handle *h, struct seal_claim *ret)
{
	struct fs *fs = ctx;
	struct inode *inode;
	int r = forgotten_find(fs, ino, h, &inode);

	if (r < 0)
		return r;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		r = claim_locked(fs, inode, ret);
	}
	if (r < 0)
		itable_unref(fs->itable, inode);
	return r;
}

/* Take it out of the list. Returns whether another claim to the same file is left. */
static bool unlist_locked(struct fs *fs, const struct seal_claim *claim)
{
	bool others = false;

	LOCK_SCOPE(&fs->claims_lock);
	for (struct seal_claim **at = &fs->claims; *at;) {
		if (*at == claim) {
			*at = claim->next;
			continue;
		}
		others |= (*at)->inode == claim->inode;
		at = &(*at)->next;
	}
	return others;
}

bool fs_settle(void *ctx, struct seal_claim *claim, bool sealed)
{
	struct fs *fs = ctx;
	struct inode *inode = claim->inode;
	bool holds;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (!unlist_locked(fs, claim) && !claim->broken)
			atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_CLAIMED);
		holds = sealed && !claim->broken;
		if (holds)
			atomic_fetch_or(&inode->flags, INODE_SEALED);
	}
	itable_unref(fs->itable, inode);
	return holds;
}
