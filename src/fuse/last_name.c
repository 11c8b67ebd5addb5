/* SPDX-License-Identifier: MIT */
/*
 * The trash tells with a lock held that lets nothing be done here; so the notifier's thread does it, which has time for it.
 */
#include "fuse/last_name.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuse/node_exec.h"
#include "fuse/notify.h"
#include "util/cleanup.h"

struct last_name {
	struct trash_watch watch; /* the first member; the descriptor is owned */
	struct fs *fs;		  /* borrowed */
	struct handle handle;
	char id[RULE_ID_MAX + 1]; /* of the execution */
};

static void last_name_free(struct last_name *l)
{
	if (l)
		(void)safe_close(l->watch.fd);
	free(l);
}
DEFINE_CLEANUP(struct last_name *, last_name_free)

/* Whom it is still charged to, with a reference. NULL: nobody, or that is over. */
static struct execution *find_exec(const struct last_name *l)
{
	struct ledger_twin row;
	struct execution *e;

	if (ledger_sync(l->fs->ledger) < 0 ||
	    ledger_file_find(l->fs->ledger, l->watch.ino, &row) < 0)
		return NULL;
	e = exec_lookup(l->fs->execs, l->id);
	if (e && exec_number(e) == row.execution)
		return e;
	exec_unref(l->fs->execs, e);
	return NULL;
}

static void uncharge_inode(struct last_name *l, struct inode *inode)
{
	struct execution *e = node_exec(l->fs, inode);
	uint64_t size;
	struct stat st;

	if (fstat(l->watch.fd, &st) == 0 && node_orphan(l->fs, inode, &l->watch.fd, &st)) {
		{
			LOCK_SCOPE(itable_lock(l->fs->itable, inode));
			size = inode->size_accounted;
		}
		victim_uncharge(l->fs, e, l->watch.ino, size);
	}
	exec_unref(l->fs->execs, e);
}

static void uncharge(struct last_name *l)
{
	struct fs *fs = l->fs;
	struct inode *inode = itable_peek(fs->itable, l->watch.ino, &l->handle);
	struct execution *e;

	if (inode) {
		uncharge_inode(l, inode);
		itable_unref(fs->itable, inode);
		return;
	}
	e = find_exec(l);
	if (e) {
		ledger_file_gone(fs->ledger, l->watch.ino);
		atomic_store(&e->recount, true);
	}
	exec_unref(fs->execs, e);
}

static bool settle(void *arg, struct fuse_session *session)
{
	_cleanup_(last_name_freep) struct last_name *l = arg;

	if (session)
		uncharge(l);
	return false;
}

void fs_last_name(void *ctx, struct trash_watch *w, bool gone)
{
	_cleanup_(last_name_freep) struct last_name *l = (struct last_name *)w;
	struct fs *fs = ctx;

	if (gone && notify_slowly(fs->notify, settle, l) == 0)
		l = NULL; /* without memory it stays charged */
}

bool last_name_was(struct fs *fs, const struct execution *e, const struct victim *v)
{
	_cleanup_(last_name_freep) struct last_name *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return false;
	l->watch.ino = v->st.st_ino;
	l->watch.fd = fcntl(v->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (!fs_may_keep(fs, l->watch.fd))
		return false;
	l->fs = fs;
	l->handle = v->handle;
	memcpy(l->id, e->id, sizeof(l->id));
	r = exec_watch(fs->execs, &l->watch);
	if (r == 0)
		l = NULL;
	return r > 0;
}
