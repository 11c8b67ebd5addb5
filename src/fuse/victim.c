/* SPDX-License-Identifier: MIT */
/*
 * Victims.
 */
#include "fuse/victim.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuse/last_name.h"
#include "fuse/node_exec.h"
#include "util/cleanup.h"

static int describe(struct victim *ret)
{
	int r;

	if (ret->fd < 0)
		return -errno;
	r = fstat(ret->fd, &ret->st) < 0 ? -errno : handle_at(ret->fd, "", &ret->handle);
	if (r < 0)
		victim_done(ret);
	return r;
}

int victim_find(int dirfd, const char *name, struct victim *ret)
{
	if (dirfd < 0)
		return -ENOENT;
	ret->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return describe(ret);
}

int victim_was(int fd, struct victim *ret)
{
	int r;

	if (fd < 0)
		return -ENOENT;
	ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	r = describe(ret);
	ret->st.st_nlink++; /* before its name went */
	return r;
}

void victim_done(struct victim *v)
{
	v->fd = safe_close(v->fd);
}

/* The inode if the kernel knows it, with a reference. */
static struct inode *peek(struct fs *fs, struct target *t, const struct victim *v)
{
	bool is_auto = false;
	uint64_t ino;

	if (S_ISDIR(v->st.st_mode) && t->dir->place == PLACE_ROOT)
		is_auto = exec_dir_is_auto(t->exec, &ino);
	return itable_peek(fs->itable, is_auto ? ino : v->st.st_ino, &v->handle);
}

void victim_uncharge(struct fs *fs, struct execution *e, uint64_t ino, uint64_t size_bytes)
{
	exec_account(e, -1, -(int64_t)size_bytes);
	/* It was charged to one that is over, and forgotten meanwhile. Or the sums are not known yet: no harm. */
	if ((int64_t)atomic_load(&e->files) < 0 || size_sum_get(&e->bytes) < 0)
		atomic_store(&e->recount, true);
	ledger_file_gone(fs->ledger, ino);
}

static void file_gone(struct fs *fs, struct target *t, struct inode *inode, const struct victim *v)
{
	struct execution *e = inode ? node_exec(fs, inode) : exec_ref(t->exec);
	uint64_t size = (uint64_t)v->st.st_size;

	if (inode) {
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		size = inode->size_accounted;
	}
	victim_uncharge(fs, e, v->st.st_ino, size);
	exec_unref(fs->execs, e);
}

/* Whether that was the last name of a regular file. It has had others, but the trash may just have deleted them. */
static bool has_lost_last(struct fs *fs, struct target *t, struct inode *inode,
			  const struct victim *v)
{
	struct execution *e;
	bool last;

	if (v->st.st_nlink <= 1) {
		exec_unwatch(fs->execs, v->st.st_ino);
		return true;
	}
	e = inode ? node_exec(fs, inode) : exec_ref(t->exec);
	last = last_name_was(fs, e, v);
	exec_unref(fs->execs, e);
	return last;
}

/*
 * The kernel forgets an inode, and with it which of the executions that it has names in accounts for it: then the name
 * by which it is found next decides, but the sums and the row are as they were. Now the row follows the inode, and the
 * sums, of which one of the two may be wrong, follow the rows.
 */
static void agree(struct fs *fs, struct target *t, struct inode *inode, bool last)
{
	struct execution *e = node_exec(fs, inode);
	uint64_t number;

	if (e != t->exec && !exec_is_none(e)) {
		if (!last && exec_enter_nested(e) == 0) {
			number = exec_number(e);
			if (number)
				ledger_file_move(fs->ledger, inode->ino, number);
			exec_leave(e);
		}
		atomic_store(&e->recount, true);
		atomic_store(&t->exec->recount, true);
	}
	exec_unref(fs->execs, e);
}

/* Where it is cannot be asked any more. After a takeover nobody may have done so; then it was where its name was. */
static void learn_exec(struct fs *fs, struct target *t, struct inode *inode)
{
	struct execution *e = node_exec(fs, inode);

	if (exec_is_none(e))
		node_set_exec(fs, inode, exec_ref(t->exec), t->place);
	exec_unref(fs->execs, e);
}

void victim_gone(struct fs *fs, struct target *t, const char *name, struct victim *v)
{
	bool last = S_ISDIR(v->st.st_mode) || v->st.st_nlink <= 1;
	struct inode *inode = last || S_ISREG(v->st.st_mode) ? peek(fs, t, v) : NULL;
	bool told = false;

	if (inode && last && S_ISREG(v->st.st_mode))
		learn_exec(fs, t, inode);
	if (S_ISREG(v->st.st_mode))
		last = has_lost_last(fs, t, inode, v);
	/* First: the size of an orphan is not accounted any more, and a RELEASE may be on its way. */
	if (!last)
		;
	else if (inode && !(atomic_load(&inode->flags) & INODE_AUTO))
		told = !node_orphan(fs, inode, &v->fd, &v->st) && v->st.st_nlink > 1;
	else if (inode) /* comes back, but not as this one, which is dead to the kernel */
		itable_orphan(fs->itable, inode);
	if (last && S_ISREG(v->st.st_mode) && !told)
		file_gone(fs, t, inode, v);
	if (inode && S_ISREG(v->st.st_mode))
		agree(fs, t, inode, last);
	if (S_ISDIR(v->st.st_mode) && t->own_exec && t->exec->lifetime == LIFETIME_EXTERNAL) {
		exec_dir_drop(fs->execs, t->exec, LEDGER_REMOVED); /* n8n has pruned it */
	} else if (t->dir->place == PLACE_ROOT && t->exec->lifetime == LIFETIME_TTL) {
		if (S_ISDIR(v->st.st_mode))
			exec_dir_drop(fs->execs, t->exec, LEDGER_REMOVED);
		else
			exec_flat_drop(fs->execs, t->exec, name);
	}
	if (inode)
		itable_unref(fs->itable, inode);
}
