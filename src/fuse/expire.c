/* SPDX-License-Identifier: MIT */
/*
 * The end of a file with a lifetime of its own, because it is over or because room is needed. The reaper finds it by its handle; where it stands now, the
 * kernel says. It goes only if nobody has it open or mapped, which is decided under the inode's lock, so
 * that an open that comes meanwhile finds it either whole or gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fuse/content.h"
#include "fuse/fs.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "store/lease.h"
#include "store/trash.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

struct doomed {
	struct fs *fs;
	const struct reaper_doomed *what;
	struct stat st;
	struct handle home;	 /* of its execution's directory, for a search */
	uint64_t size_charged;	 /* to its execution */
	char path[PATH_MAX];	 /* below tree/ */
	const char *name;	 /* its last component */
	int dirfd;		 /* owned */
	struct inode *dir;	 /* owned reference; see find_directory() */
	struct execution *owner; /* likewise */
	uint64_t nodeid;	 /* of the directory; 0: the kernel does not know it */
	uint32_t going;		 /* see notify_going() */
};

static int match(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct doomed *d = arg;
	_cleanup_close_ int fd = -1;

	(void)ret_tag;
	if (w->st->st_ino != d->what->ino || !handle_equal(w->handle, &d->what->handle))
		return 0;
	fd = openat(w->dirfd, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && node_path(d->fs, fd, d->path, sizeof(d->path)) == 0)
		return -ECANCELED; /* found: no need to look further */
	return 0;
}

/* Its execution, which has a directory. */
static int match_execution(void *arg, struct execution *e)
{
	struct doomed *d = arg;

	if (exec_number(e) != d->what->execution)
		return 0;
	return exec_dir(e, &d->home) == 0 ? 1 : 0;
}

/*
 * Its path. A disk filesystem that has dropped the name from its cache opens the inode without one: then it is
 * searched for, which brings the names of all others there back, too. Most have their lifetime because they stand
 * at the top, the others because they were given one; so the whole tree is looked through only for what stands in a
 * directory of `_` or has been linked or moved elsewhere. -EBUSY: not found, but it must be somewhere.
 */
static int find_path(struct doomed *d, int fd)
{
	const struct store *store = d->fs->store;
	int r = node_path(d->fs, fd, d->path, sizeof(d->path));

	if (r != -ENOENT)
		return r;
	r = walk_names(store->fd, &store->tree, match, d);
	if (r == 0)
		r = exec_each(d->fs->execs, match_execution, d);
	if (r == 1)
		r = walk(store->fd, &d->home, 0, match, d);
	if (r == 0)
		r = walk(store->fd, &store->tree, 0, match, d);
	return r == -ECANCELED ? 0 : r < 0 ? r : -EBUSY;
}

/* Where is it? -ENOENT: nowhere any more. */
static int locate(struct doomed *d)
{
	_cleanup_close_ int fd =
		store_open_handle(d->fs->store, &d->what->handle, O_PATH | O_NOFOLLOW);
	char dir[PATH_MAX];
	char *slash;
	int r;

	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	if (fstat(fd, &d->st) < 0)
		return -errno;
	if (d->st.st_ino != d->what->ino || d->st.st_nlink == 0 || !S_ISREG(d->st.st_mode))
		return -ENOENT;
	d->size_charged = (uint64_t)d->st.st_size;
	r = find_path(d, fd);
	if (r < 0)
		return r;
	slash = strrchr(d->path, '/');
	d->name = slash ? slash + 1 : d->path;
	(void)snprintf(dir, sizeof(dir), "./%.*s", slash ? (int)(slash - d->path) : 0, d->path);
	d->dirfd =
		openat(d->fs->store->tree_fd, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return d->dirfd < 0 ? -errno : 0;
}

/* A registered file would keep its space until the kernel has forgotten it. -EBUSY: it is open. */
static int drop_backing(struct fs *fs, struct inode *inode)
{
	int drop;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->nopen > 0)
			return -EBUSY;
		drop = inode_take_backing(inode);
	}
	backing_unregister(fs->backing, drop);
	return 0;
}

static int take_unused(struct doomed *d)
{
	int r = lease_in_use(d->fs->store->fd, &d->what->handle);

	if (r == 0 && d->st.st_nlink == 1) /* it is accounted for here */
		exec_unwatch(d->fs->execs, d->what->ino);
	if (r == 0)
		r = exec_trash_inode(d->fs->execs, d->dirfd, d->name, d->what->ino);
	return r == 1 ? -EBUSY : r;
}

/* The ledger may be behind with what it knows of the file's last use. */
static bool was_used_since(const struct doomed *d, const struct inode *inode)
{
	int64_t touched = (int64_t)inode->touched_s * NS_PER_S;
	int64_t ttl = d->what->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(d->fs->execs)
							    : d->what->ttl_ns;

	return touched > d->what->activity_ns &&
	       (d->what->reason != LEDGER_EXPIRED || touched > ledger_now_ns(d->fs->ledger) - ttl);
}

static int take(struct doomed *d)
{
	struct inode *inode = itable_peek(d->fs->itable, d->what->ino, &d->what->handle);
	int none = -1;
	int lent;
	int r;

	if (!inode)
		return take_unused(d);
	{
		LOCK_SCOPE(itable_lock(d->fs->itable, inode));
		lent = content_is_lent_locked(d->fs, inode);
		r = inode->nopen > 0 || lent || was_used_since(d, inode) ? -EBUSY : take_unused(d);
		d->size_charged = inode->size_accounted;
	}
	if (lent)
		content_recall(d->fs, inode);
	if (r == 0 && d->st.st_nlink == 1)
		node_orphan(d->fs, inode, &none, NULL);
	itable_unref(d->fs->itable, inode);
	return r;
}

/*
 * The directory's inode, if the kernel knows it, and the execution whose own directory it is: those that batonfs made go
 * by the number that it gave them.
 */
static void find_directory(struct doomed *d)
{
	struct handle h;
	struct stat st;
	uint64_t ino;

	if (fstat(d->dirfd, &st) < 0 || handle_at(d->dirfd, "", &h) < 0)
		return;
	ino = st.st_ino;
	if (strchr(d->path, '/') == d->name - 1) {
		char id[RULE_ID_MAX + 1];

		(void)snprintf(id, sizeof(id), "%.*s", (int)(d->name - 1 - d->path), d->path);
		d->owner = exec_lookup(d->fs->execs, id);
		if (d->owner && !exec_dir_is_auto(d->owner, &ino))
			ino = st.st_ino;
	}
	d->dir = itable_peek(d->fs->itable, ino, &h);
}

/* The kernel is going to be told, if it knows the directory. */
static void announce(struct doomed *d)
{
	if (d->name == d->path) {
		d->nodeid = FUSE_ROOT_ID;
	} else {
		find_directory(d);
		if (d->dir)
			d->nodeid = itable_nodeid(d->fs->itable, d->dir);
	}
	if (d->nodeid)
		d->going = notify_going(d->fs->notify, d->nodeid, d->name);
}

static void tell_kernel(struct doomed *d)
{
	if (d->nodeid)
		notify_gone(d->fs->notify, d->nodeid, d->name, d->going);
	if (d->owner)
		exec_vacate(d->owner);
}

static void done(struct doomed *d)
{
	if (d->dir)
		itable_unref(d->fs->itable, d->dir);
	exec_unref(d->fs->execs, d->owner);
	(void)safe_close(d->dirfd);
}

/* Its execution loses it. */
static void account(struct doomed *d, const char *id)
{
	struct execution *e = exec_lookup(d->fs->execs, id);

	if (!e)
		return;
	if (d->st.st_nlink == 1)
		exec_account(e, -1, -(int64_t)d->size_charged);
	if (d->name == d->path && e->lifetime == LIFETIME_TTL)
		exec_flat_drop(d->fs->execs, e, d->name);
	exec_unref(d->fs->execs, e);
}

static void record(struct doomed *d, const char *id)
{
	int64_t ttl_ns = d->what->ttl_ns;
	struct ledger_release r = {
		.reason = d->what->reason,
		.owner = { .uid = d->st.st_uid, .gid = d->st.st_gid },
		.created_real_ns = d->st.st_ctim.tv_sec * NS_PER_S,
		.activity_real_ns =
			d->what->activity_ns + clock_real_ns() - ledger_now_ns(d->fs->ledger),
		.released_real_ns = clock_ns(CLOCK_REALTIME),
		.ttl_ns = ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(d->fs->execs) : ttl_ns,
		.bytes = (uint64_t)d->st.st_size,
		.files = 1,
	};

	(void)snprintf(r.id, sizeof(r.id), "%s", id);
	(void)snprintf(r.path, sizeof(r.path), "%.*s", (int)sizeof(r.path) - 1, d->path);
	ledger_release(d->fs->ledger, &r);
}

int fs_remove_file(void *ctx, const struct reaper_doomed *f)
{
	struct doomed d = { .fs = ctx, .what = f, .dirfd = -1 };
	struct rule_match m;
	int r = locate(&d);

	if (r == 0) {
		announce(&d);
		r = take(&d);
		if (r < 0)
			notify_stays(d.fs->notify, d.going);
	}
	if (r == 0) {
		rule_match_path(d.path, false, &m);
		record(&d, m.id);
		account(&d, m.id);
		tell_kernel(&d);
	}
	if ((r == 0 && d.st.st_nlink == 1) || r == -ENOENT || r == -ESTALE) {
		ledger_file_gone(d.fs->ledger, f->ino);
		r = 0;
	}
	done(&d);
	return r;
}

void fs_collect(void *ctx)
{
	struct fs *fs = ctx;
	struct garbage found;
	int r = seal_garbage(fs->seal, true, &found);

	if (r < 0)
		log_debug("garbage error=%s, later", log_errname(r));
}

int fs_let_go(void *ctx, uint64_t ino, const struct handle *h)
{
	struct fs *fs = ctx;
	struct inode *inode = itable_peek(fs->itable, ino, h);
	int r;

	if (!inode)
		return 0;
	r = drop_backing(fs, inode);
	itable_unref(fs->itable, inode);
	return r;
}

void fs_give_up(void *ctx, uint64_t ino, const struct handle *h)
{
	(void)!fs_let_go(ctx, ino, h); /* what is open now does not go */
}
