/* SPDX-License-Identifier: MIT */
/*
 * In the place of a process that has died: its inodes, and what it was at.
 */
#include "fuse/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/content.h"
#include "fuse/drafting.h"
#include "fuse/growth.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "fuse/op.h"
#include "fuse/split.h"
#include "store/blob.h"
#include "takeover/guardian.h"
#include "util/cleanup.h"
#include "util/log.h"

/* What the last process had found out, or was at. */
#define FLAGS_OF_A_PROCESS                                                                         \
	(INODE_CLAIMED | INODE_SEALED | INODE_LEARNED | INODE_WARM | INODE_PINNED |                \
	 INODE_NO_CAPABILITY | INODE_LISTED)
#define FLAGS_OF_OPENS (INODE_CACHED | INODE_TARGET)

/* Its directory has the ID for a name, any other is found by its path when it is needed (node_exec()). */
static void adopt_exec(struct fs *fs, struct inode *inode)
{
	struct execution *e = NULL;

	if (atomic_load(&inode->flags) & INODE_AUTO)
		e = exec_get(fs->execs, inode_auto_id(inode), LIFETIME_TTL);
	inode->exec_epoch = e ? atomic_load(&fs->exec_epoch) : atomic_load(&fs->exec_epoch) - 1;
	if (!e)
		e = exec_none(fs->execs);
	atomic_store(&inode->exec, e);
	atomic_fetch_add(&e->open, inode->nopen);
	if (inode->nopen > 0)
		exec_unref(fs->execs, node_exec(fs, inode)); /* it is in use: let that be seen */
}

/*
 * Somebody has it open in passthrough as the stub that it was. If the last process had begun to bring its content home,
 * that is done or undone first; and if it is at home then, or in a draft, those who have the blob open go on with it alone:
 * who comes to write would be given the blob, too.
 */
static void adopt_stub(struct fs *fs, struct inode *inode, uint32_t before)
{
	const uint32_t kind = INODE_STUB | INODE_DRAFT;
	struct blob_name name;
	int r = fs_settle_stub(fs, inode->ino, &inode->handle, &name);

	if (r < 0 && r != -ESTALE && r != -ENOENT)
		log_warning("takeover: ino=%llu error=%s: cannot tell whether it is shared, "
			    "ignoring",
			    (unsigned long long)inode->ino, log_errname(r));
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	atomic_fetch_and(&inode->flags, ~kind);
	r = content_learn_locked(fs, inode, -1);
	if (r == 0 && (atomic_load(&inode->flags) & kind) == (before & kind))
		return;
	split_from_stub_locked(fs, inode);
	atomic_fetch_and(&inode->flags, ~kind);
}

static void adopt_content(struct fs *fs, struct inode *inode, uint32_t before)
{
	struct stat st;

	if (before & INODE_SPLIT)
		return; /* what is open stays, the rest is seen at the next open */
	if (inode->nopen > 0 && before & INODE_STUB && !(before & (INODE_ORPHAN | INODE_CACHED)))
		adopt_stub(fs, inode, before);
	if (before & INODE_PINNED && inode->fd >= 0 && fstat(inode->fd, &st) == 0) {
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		content_pin_locked(fs, inode, inode->fd, &st);
	}
}

/*
 * What it is registered with may be what it was, which the next open finds out (content_learn_locked()): 4096 ids given back here
 * would be as many system calls that everybody waits for. A registered file that has no name would keep its space.
 */
static void adopt_backing(struct fs *fs, struct inode *inode)
{
	if (!inode->backing_id)
		return;
	if (atomic_load(&inode->flags) & INODE_ORPHAN) {
		backing_unregister(fs->backing, inode_take_backing(inode));
		return;
	}
	atomic_fetch_or(&inode->flags, INODE_WARM);
	backing_keep(fs->backing, inode);
}

static void adopt(void *arg, struct inode *inode)
{
	struct fs *fs = arg;
	uint32_t before = atomic_fetch_and(&inode->flags, ~(uint32_t)FLAGS_OF_A_PROCESS);

	if (inode->nopen == 0) {
		atomic_fetch_and(&inode->flags, ~(uint32_t)FLAGS_OF_OPENS);
		adopt_backing(fs, inode);
	}
	if (!growth_is_watched(fs) && !(atomic_load(&inode->flags) & INODE_CACHED))
		drafting_count_locked(fs, inode, (int)inode->nopen_write);
	adopt_exec(fs, inode);
	known_ids_adopt(fs, inode);
	if (S_ISREG(inode->mode))
		adopt_content(fs, inode, before);
}

/* What was counted for an answer that has not been given. */
static void undo(void *ctx, const struct request *rq)
{
	struct fs *fs = ctx;

	if (rq->opened)
		op_undo_open(fs, rq->opened, rq->fh, rq->opened_writes);
	for (uint32_t i = 0; i < rq->ngiven; i++)
		itable_forget(fs->itable, rq->given[i], 1);
}

static void forget(void *ctx, uint64_t nodeid, uint64_t nlookup)
{
	struct fs *fs = ctx;

	if (!(nodeid & CONTROL_NODE_BIT)) {
		itable_forget(fs->itable, nodeid, nlookup);
		return;
	}
	request_forgets();
	control_forget(fs->control, nodeid, nlookup);
}

/* As fs_exec_gone(), if the last process had come as far as to remove it. */
static void detach_gone(void *arg, uint64_t nodeid, const char *name)
{
	struct fs *fs = arg;

	if (nodeid == FUSE_ROOT_ID && rule_is_id(name) &&
	    faccessat(fs->store->tree_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		node_detach(fs, name);
}

int fs_take_over(struct fs *fs, struct requests *requests, struct fuse_session *se,
		 struct backlog **ret)
{
	const struct requests_upcalls up = { .ctx = fs, .undo = undo, .forget = forget };
	int r;

	itable_take_over(fs->itable, adopt, fs);
	control_each_id(fs->control, known_ids_adopt_control, fs);
	guardian_step(fs->config.keep, "inodes");
	r = backlog_read(se, requests, &up, ret);
	if (r < 0)
		return r;
	guardian_step(fs->config.keep, "backlog");
	requests_resume(requests, &up, backlog_uniques(*ret), backlog_count(*ret));
	if (!notify_resume(fs->notify, detach_gone, fs)) {
		resume_doubt_names(se);
		notify_doubted(fs->notify); /* not earlier: the next worker would have to */
	}
	return 0;
}
