/* SPDX-License-Identifier: MIT */
/*
 * A move of an inode that the kernel knows is begun and ended under that inode's lock. What a crash left is settled
 * (fs_settle_stub()) of inodes that nobody need know: there the list is entered first, and then the lock is
 * taken once, if somebody knows the inode by now; so whoever had it before is through, and who takes it afterwards
 * sees the list.
 */
#include "fuse/home.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/node.h"
#include "fuse/split.h"
#include "store/blob_away.h"
#include "store/lease.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* How long who wants to write waits for room, at most. Source: a disk takes some 100 MB in that time. */
#define HOME_PATIENCE_NS NS_PER_S
#define HOME_PAUSE_NS (10 * NS_PER_MS)

/* ---- from the blob into the file ---- */

/*
 * A step failed, and what should have undone it: a stub that the disk would not let go of its blocks, or a mark
 * that it keeps of a file of another size, is seen by the mark only, for which other files are not looked at. From
 * now on they are, as after a crash; and a walk tries again to settle it, now or at the next start. Returns whether
 * there is one.
 */
static bool note_hidden(struct fs *fs, int fd)
{
	struct blob_name name;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || stub_maybe(&st, false))
		return false;
	r = stub_get(fd, (uint64_t)st.st_size, &name);
	if (r < 0 && r != -ESTALE)
		return false;
	log_warning("ino=%llu: the disk would not let a stub's %s go, going on",
		    (unsigned long long)st.st_ino, r == 0 ? "blocks" : "mark");
	atomic_store(&fs->hidden, true);
	ledger_doubt(fs->ledger);
	return true;
}

/* Its blob. A mark that means nothing goes; if it cannot, nobody may write, for it might come to mean something. */
static int get_own(int fd, struct blob_name *ret)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : stub_get(fd, (uint64_t)st.st_size, ret);

	if (r != -ESTALE)
		return r;
	r = stub_settle(fd, ret);
	return r < 0 ? r : -ENODATA;
}

/*
 * With the content; and if there is no room in memory for it, or it is short, the content becomes a draft. If there
 * is no room for that, either, a moment is waited until something is spilled. The target of a copy (clone.h) comes
 * home: it is open, and whoever writes to it has the file itself at hand.
 */
static int bring_home(struct fs *fs, struct inode *inode, int fd, const struct blob_name *name,
		      struct blob_name *ret_draft)
{
	const struct timespec pause = { .tv_nsec = HOME_PAUSE_NS };
	bool may_draft =
		blobs_have_away(fs->store->blobs) && !(atomic_load(&inode->flags) & INODE_TARGET);
	int64_t end = clock_mono_ns() + HOME_PATIENCE_NS;
	int r = may_draft && drafting_is_wanted(fs) ? -ENOSPC
						    : stub_home(fs->store->blobs, fd, name);

	if (r == -ENOSPC && may_draft && drafting_copy(fs, inode, fd, name, ret_draft) == 0)
		return 0;
	if (r == -ENOSPC)
		r = stub_home(fs->store->blobs, fd, name);
	while (r == -ENOSPC && blobs_have_away(fs->store->blobs) && clock_mono_ns() < end) {
		reaper_full(fs->reaper);
		(void)nanosleep(&pause, NULL);
		r = stub_home(fs->store->blobs, fd, name);
	}
	return r;
}

/* Without. A draft is told of first, for what it counts for. */
static int drop(struct fs *fs, int fd, const struct blob_name *name)
{
	struct blobs *blobs = fs->store->blobs;
	uint64_t bytes;
	int r = draft_is(name) ? draft_tell_stub(blobs, name, fd, &bytes) : 0;

	if (r == 0)
		r = stub_drop(fd);
	if (r == 0 && draft_is(name))
		draft_remove(blobs, name);
	return r;
}

/*
 * Nothing is opened or closed of the file itself but by us. *ret_draft: what its content is in afterwards, or "".
 */
static int take_home(struct fs *fs, struct inode *inode, bool wanted, struct blob_name *ret_draft)
{
	_cleanup_close_ int fd = node_open(fs, inode, O_RDWR | O_NONBLOCK);
	struct blob_name name;
	int r = fd < 0 ? fd : get_own(fd, &name);

	ret_draft->text[0] = '\0';
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	r = wanted ? bring_home(fs, inode, fd, &name, ret_draft) : drop(fs, fd, &name);
	if (r < 0)
		(void)note_hidden(fs, fd);
	if (r == 0 && atomic_load(&inode->flags) & INODE_PINNED)
		blob_unpin(fs->store->blobs, &name);
	if (r == -ENOENT) {
		log_warning("ino=%llu: blob %s of a stub is missing",
			    (unsigned long long)inode->ino, name.text);
		r = -EIO;
	}
	return r;
}

/* Whether somebody has the blob open in passthrough, of a stub. */
static bool is_passed_locked(const struct inode *inode)
{
	return inode->nopen > 0 && !(atomic_load(&inode->flags) & INODE_CACHED);
}

/*
 * What was cut is not charged any more; once it is split nobody would know how much it was. Whose readers go on with the
 * blob keeps its size, for them.
 */
static void account_cut_locked(struct fs *fs, struct inode *inode, bool passed)
{
	if (passed)
		exec_account(inode->exec, 0, -(int64_t)inode->size_accounted);
	else
		node_charge_locked(inode, 0);
	if (!(atomic_load(&inode->flags) & INODE_ORPHAN))
		ledger_file_size(fs->ledger, inode->ino, 0);
}

/*
 * Who reads or writes through the daemon looks at the flags without the lock. So there is no moment at which a
 * draft seems to be an ordinary file, whose blocks are holes; nor one that is split off, whose own content may be
 * elsewhere by now.
 */
static void now_own_locked(struct fs *fs, struct inode *inode, bool wanted,
			   const struct blob_name *draft)
{
	bool passed = is_passed_locked(inode);
	bool is_draft = draft->text[0] && !passed;

	if (!wanted)
		account_cut_locked(fs, inode, passed);
	if (passed)
		split_from_stub_locked(fs, inode);
	if (is_draft)
		atomic_fetch_or(&inode->flags, INODE_DRAFT);
	atomic_fetch_and(&inode->flags,
			 ~(uint32_t)(INODE_PINNED | (is_draft ? 0 : INODE_STUB | INODE_DRAFT)));
	ledger_file_shared(fs->ledger, inode->ino, ""); /* its blob may be garbage now */
	if (draft->text[0])
		ledger_file_shared(fs->ledger, inode->ino, draft->text);
	if (passed)
		return;
	backing_unregister(fs->backing, inode_take_backing(inode)); /* the blob's */
}

/*
 * Whether its content has to be elsewhere first. A draft is its own; but where nothing of it is wanted any more it
 * begins anew in memory, if there is room, and nobody has it, also of those who had it before it was split, or mapped.
 */
static bool must_move_locked(struct fs *fs, struct inode *inode, bool wanted)
{
	uint32_t flags = atomic_load(&inode->flags);

	if (!(flags & INODE_STUB))
		return false;
	if (!(flags & INODE_DRAFT))
		return true;
	return !wanted && inode->nopen == 0 && inode->nwriting == 0 && !(flags & INODE_ORPHAN) &&
	       !drafting_is_wanted(fs) && drafting_in_use(fs, inode) == 0;
}

int home_own_locked(struct fs *fs, struct inode *inode, struct lock *lock, bool wanted)
{
	struct blob_name draft;
	struct move move;
	int r = 0;

	while (r == 0 && must_move_locked(fs, inode, wanted)) {
		bool mine;

		if (atomic_load(&inode->flags) & INODE_ORPHAN && is_passed_locked(inode))
			return -ETXTBSY;
		mine = move_begin(fs, &move, inode->ino);
		lock_drop(lock);
		if (mine)
			r = take_home(fs, inode, wanted, &draft);
		else
			move_await(fs, inode->ino);
		lock_take(lock);
		if (mine && r == 0)
			now_own_locked(fs, inode, wanted, &draft);
		if (mine)
			move_end(fs, &move);
	}
	return r == 0 && atomic_load(&inode->flags) & INODE_SPLIT ? 1 : r;
}

int home_own(struct fs *fs, struct inode *inode)
{
	_cleanup_(lock_dropp) struct lock *lock = move_lock_still(fs, inode);
	int r = content_learn_locked(fs, inode, -1);

	return r < 0 ? r : home_own_locked(fs, inode, lock, true);
}

/* ---- from the file into a blob ---- */

/*
 * Other names may belong to other executions, and a release takes the file's row with it, which keeps the blob: so
 * what has several is no stub (op_link()).
 */
static int check_names(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink == 1 ? 0 : -EMLINK;
}

static int give_away(struct fs *fs, struct inode *inode, const struct blob_name *name)
{
	_cleanup_close_ int fd = node_open(fs, inode, O_RDWR | O_NONBLOCK);
	struct blob_name again;
	int r = fd < 0 ? fd : check_names(fd);

	if (r == 0)
		r = stub_make(fs->store->blobs, fd, name);
	if (r == 0 && stub_settle(fd, &again) < 0) /* none of its blocks must be left */
		(void)note_hidden(fs, fd);
	return r;
}

/* It is empty, and gets the size of the blob; or it keeps a mark that means nothing, and goes on being empty. */
static int give_size(struct fs *fs, struct inode *inode, const struct blob_name *name,
		     bool *ret_hidden)
{
	_cleanup_close_ int fd = node_open(fs, inode, O_RDWR | O_NONBLOCK);
	int r = fd < 0 ? fd : check_names(fd);

	if (r < 0)
		return r;
	r = stub_make_empty(fd, name);
	if (r < 0)
		*ret_hidden = note_hidden(fs, fd);
	return r;
}

/*
 * Mappings refuse the lease, and so does a claimant who reads it just now. Behind the beginning of the move: whoever
 * opens it by handle after this, to make huge pages of it, finds that it is moved when he looks (fs_is_open()), and
 * lets it be.
 */
static int check_unused(struct fs *fs, struct inode *inode)
{
	int r = lease_in_use(fs->store->fd, &inode->handle);

	return r > 0 ? -EBUSY : r;
}

int home_leave_locked(struct fs *fs, struct inode *inode, struct lock *lock,
		      const struct blob_name *name, bool empty)
{
	bool hidden = false;
	struct move move;
	int r;

	if (!move_begin(fs, &move, inode->ino))
		return -EBUSY;
	r = empty ? 0 : check_unused(fs, inode);
	if (r < 0) {
		move_end(fs, &move);
		return r;
	}
	lock_drop(lock);
	r = empty ? give_size(fs, inode, name, &hidden) : give_away(fs, inode, name);
	lock_take(lock);
	if (r == 0) {
		atomic_fetch_or(&inode->flags, INODE_STUB);
		ledger_file_shared(fs->ledger, inode->ino, name->text);
		backing_unregister(fs->backing, inode_take_backing(inode)); /* its own */
	}
	if (hidden) /* the mark must go before it is written to: get_own() */
		atomic_fetch_or(&inode->flags, INODE_STUB);
	move_end(fs, &move);
	return r;
}

void home_settle_locked(struct fs *fs, struct inode *inode)
{
	_cleanup_close_ int fd = -1;
	struct blob_name name;

	if (!content_is_unsettled(fs))
		return;
	fd = node_open_locked(fs, inode, O_RDWR | O_NONBLOCK);
	if (fd >= 0)
		(void)!stub_settle(fd, &name); /* else the walk does */
}

int fs_settle_stub(void *ctx, uint64_t ino, const struct handle *h, struct blob_name *ret_name)
{
	struct fs *fs = ctx;
	struct move move;
	struct inode *inode;
	_cleanup_close_ int fd = -1;
	int r;

	while (!move_begin(fs, &move, ino))
		move_await(fs, ino);
	inode = itable_peek(fs->itable, ino, h);
	if (inode) {
		lock_drop(lock_taken(itable_lock(fs->itable, inode)));
		itable_unref(fs->itable, inode);
	}
	fd = store_open_handle(fs->store, h, O_RDWR | O_NONBLOCK);
	ret_name->text[0] = '\0';
	r = fd < 0 ? fd : stub_settle(fd, ret_name);
	if (r >= 0 || ret_name->text[0]) /* a stub also if it could not be punched */
		ledger_file_shared(fs->ledger, ino, ret_name->text);
	move_end(fs, &move);
	return r;
}

void fs_settled(void *ctx)
{
	struct fs *fs = ctx;

	atomic_store(&fs->unsettled, false);
}
