/* SPDX-License-Identifier: MIT */
/*
 * Which one it is follows from where the inode is; and an operation's execution stays because node_exec() takes a
 * reference under the inode's lock, where node_set_exec() exchanges it.
 */
#include "fuse/node_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/limit.h"
#include "fuse/node.h"
#include "store/procfd.h"
#include "util/cleanup.h"

/* What the kernel puts behind the path of what has gone may be the end of a name, too. */
static bool is_deleted(struct fs *fs, int fd, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(path);
	struct stat a;
	struct stat b;

	if (n < sizeof(deleted) || strcmp(path + n - (sizeof(deleted) - 1), deleted) != 0)
		return false;
	if (fstatat(fs->store->tree_fd, path, &a, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &b) < 0)
		return true;
	return a.st_ino != b.st_ino;
}

int node_path(struct fs *fs, int fd, char *buf, size_t len)
{
	char root[PATH_MAX];
	char path[PATH_MAX];
	struct procfd link = procfd(fs->store->tree_fd);
	ssize_t nroot = readlink(link.name, root, sizeof(root) - 1);
	ssize_t n;

	link = procfd(fd);
	n = readlink(link.name, path, sizeof(path) - 1);
	if (nroot < 0 || n < 0)
		return -errno;
	path[n] = '\0';
	if (n <= nroot + 1 || memcmp(path, root, (size_t)nroot) != 0 || path[nroot] != '/')
		return -ENOENT; /* in the trash, or the tree itself */
	if (is_deleted(fs, fd, path + nroot + 1))
		return -ENOENT;
	if ((size_t)(n - nroot) > len)
		return -ENAMETOOLONG;
	memcpy(buf, path + nroot + 1, (size_t)(n - nroot));
	return 0;
}

/* Opens and bytes move along. Returns the old one, whose reference is the caller's. */
static struct execution *exchange_exec_locked(struct inode *inode, struct execution *e,
					      enum place place)
{
	struct execution *old = inode->exec;

	if (old != e) {
		atomic_fetch_add(&e->open, inode->nopen);
		atomic_fetch_sub(&old->open, inode->nopen);
	}
	if (exec_is_none(old)) { /* it is in no sum, and in that of e already, or will be */
	} else if (old != e && S_ISREG(inode->mode) && atomic_load(&inode->flags) & INODE_ORPHAN) {
		exec_account_nameless(e, node_nameless_bytes_locked(inode));
		exec_account_nameless(old, -node_nameless_bytes_locked(inode));
	} else if (old != e && S_ISREG(inode->mode)) {
		exec_account(e, 1, (int64_t)inode->size_accounted);
		exec_account(old, -1, -(int64_t)inode->size_accounted);
	}
	inode->exec = e;
	inode->place = (uint8_t)place;
	return old;
}

/* A directory above it changed its execution since it was looked up: ask the kernel where it is now. */
static void refresh_exec(struct fs *fs, struct inode *inode, uint32_t epoch)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct execution *e = NULL;
	struct execution *old = NULL;
	uint64_t number = 0;
	struct rule_match m;

	fd = node_open(fs, inode, O_PATH | O_NOFOLLOW);
	if (fd >= 0 && node_path(fs, fd, path, sizeof(path)) == 0) {
		rule_match_path(path, S_ISDIR(inode->mode), &m);
		e = exec_get(fs->execs, m.id, m.lifetime);
		number = e ? exec_number(e) : 0;
	}
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->exec_epoch != epoch) {
			inode->exec_epoch = epoch;
			if (e && e != inode->exec)
				old = exchange_exec_locked(inode, TAKE_PTR(e), m.place);
		}
	}
	if (old && number && S_ISREG(inode->mode))
		ledger_file_move(fs->ledger, inode->ino, number);
	exec_unref(fs->execs, old);
	exec_unref(fs->execs, e);
}

struct execution *node_exec(struct fs *fs, struct inode *inode)
{
	uint32_t epoch = atomic_load(&fs->exec_epoch);
	struct execution *e = NULL;
	bool stale;

	if (itable_nodeid(fs->itable, inode) == FUSE_ROOT_ID)
		return NULL;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		stale = inode->exec_epoch != epoch && !(atomic_load(&inode->flags) & INODE_AUTO);
		if (!stale)
			e = exec_ref(inode->exec);
	}
	if (!stale)
		return e;
	refresh_exec(fs, inode, epoch);
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return exec_ref(inode->exec);
}

void node_set_exec(struct fs *fs, struct inode *inode, struct execution *e, enum place place)
{
	struct execution *old;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		old = exchange_exec_locked(inode, e, place);
		inode->exec_epoch = atomic_load(&fs->exec_epoch);
	}
	exec_unref(fs->execs, old);
}

bool node_is_over(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return inode->exec && atomic_load(&inode->exec->state) == EXEC_RELEASED;
}

bool node_inherit(struct fs *fs, struct inode *inode, struct execution *e, enum place place)
{
	struct execution *old = NULL;

	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (atomic_load(&inode->exec->state) == EXEC_RELEASED)
			old = exchange_exec_locked(inode, exec_ref(e), place);
	}
	exec_unref(fs->execs, old);
	return old != NULL;
}

void node_rebind(struct fs *fs, struct inode *inode)
{
	struct execution *old = node_exec(fs, inode);
	struct execution *e = exec_get(fs->execs, old->id, LIFETIME_TTL);

	if (e)
		node_set_exec(fs, inode, e, PLACE_TREE);
	dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
	exec_unref(fs->execs, old);
}

/* The kernel's inode for a directory of batonfs's making, with a reference. */
static struct inode *peek_auto(struct fs *fs, const char *id)
{
	struct handle any = { 0 }; /* does not count for INODE_AUTO */

	return itable_peek(fs->itable, exec_auto_ino(id), &any);
}

void node_vanish(struct fs *fs, struct execution *e)
{
	struct inode *inode;

	if (!exec_vanish(fs->execs, e))
		return;
	inode = peek_auto(fs, e->id);
	if (inode) {
		dircache_drop(fs->dirs, itable_nodeid(fs->itable, inode));
		known_ids_vanished(fs, inode);
		itable_unref(fs->itable, inode);
	}
	fs_exec_dir_changed(fs, e->id);
}

/* Gives the reference back; 0 for none. */
static uint64_t nodeid_of(struct fs *fs, struct inode *inode)
{
	uint64_t nodeid;

	if (!inode)
		return 0;
	nodeid = itable_nodeid(fs->itable, inode);
	itable_unref(fs->itable, inode);
	return nodeid;
}

uint64_t node_auto_dir(struct fs *fs, const char *id)
{
	return nodeid_of(fs, peek_auto(fs, id));
}

void node_detach(struct fs *fs, const char *id)
{
	struct inode *inode = peek_auto(fs, id);

	if (!inode)
		return;
	itable_orphan(fs->itable, inode);
	itable_unref(fs->itable, inode);
}

uint64_t node_released_dir(struct fs *fs, struct execution *e)
{
	struct handle h;
	uint64_t ino;

	exec_dir_had(e, &h, &ino);
	return nodeid_of(fs, itable_peek(fs->itable, ino, &h));
}

bool node_is_exec_dir(struct inode *inode, struct execution *e)
{
	struct handle dir;

	if (atomic_load(&inode->flags) & INODE_AUTO)
		return true;
	return S_ISDIR(inode->mode) && exec_dir(e, &dir) == 0 && handle_equal(&dir, &inode->handle);
}
