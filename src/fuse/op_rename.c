/* SPDX-License-Identifier: MIT */
/*
 * Rename. Within an execution it is the backing filesystem's rename and nothing else. Across executions the
 * file, or all files of a directory, change hands: that is how one execution gives its result to the next
 * without a copy.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "fuse/reply.h"
#include "fuse/target.h"
#include "fuse/victim.h"
#include "store/mark.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/log.h"

/* One side of a rename: where, and what is there before it. */
struct side {
	struct target t;
	const char *name;
	struct victim was;
	bool is_auto; /* an execution's directory that batonfs made */
	uint64_t ino; /* as shown, if is_auto */
};

/* Directories count as such in the rules; so it must be known what it is before its place is. */
static bool is_directory(struct fs *fs, fuse_ino_t parent, const char *name)
{
	struct inode *dir = node_find(fs, parent);
	struct dirref ref = { .fd = -1, .slot = -1 };
	bool yes = false;
	struct stat st;

	if (dir && dir->place != PLACE_TREE && node_get(fs, dir, &ref) == 0) {
		yes = fstatat(ref.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
		node_put(fs, &ref);
	}
	return yes;
}

static int side_enter(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name,
		      bool is_dir, bool make, struct side *s)
{
	int r;

	*s = (struct side){ .name = name, .was = VICTIM_NONE };
	r = target_enter(fs, req, parent, name, is_dir, make, &s->t);
	if (r < 0)
		return r;
	r = victim_find(s->t.ref.fd, name, &s->was);
	if (r == 0 && S_ISDIR(s->was.st.st_mode) && s->t.dir->place == PLACE_ROOT)
		s->is_auto = exec_dir_is_auto(s->t.exec, &s->ino);
	return r == -ENOENT ? 0 : r;
}

static void side_leave(struct fs *fs, struct side *s)
{
	victim_done(&s->was);
	target_leave(fs, &s->t);
}

/* ---- changing hands ---- */

struct handover {
	struct fs *fs;
	struct execution *to;
	uint64_t number;
	uint64_t files;
	uint64_t bytes;
};

static int hand_over_file(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct handover *h = arg;

	(void)ret_tag;
	if (S_ISREG(w->st->st_mode)) {
		ledger_file_move(h->fs->ledger, w->st->st_ino, h->number);
		h->files++;
		h->bytes += (uint64_t)w->st->st_size;
	}
	return 0;
}

/*
 * All files of a directory that moved to another execution. Inodes that the kernel knows find out by
 * themselves (node_exec()); the rows and the sums are moved here.
 */
static void hand_over_directory(struct fs *fs, const struct handle *dir, struct execution *from,
				struct execution *to)
{
	struct handover h = { .fs = fs, .to = to, .number = exec_number(to) };
	int r;

	atomic_fetch_add(&fs->exec_epoch, 1);
	r = walk(fs->store->fd, dir, 0, hand_over_file, &h);
	if (r < 0)
		log_warning("op=rename execution=%s error=%s; its sums are not exact, ignoring",
			    to->id, log_errname(r));
	exec_account(from, -(int64_t)h.files, -(int64_t)h.bytes);
	exec_account(to, (int64_t)h.files, (int64_t)h.bytes);
}

/* The execution's directory has another name: what was set on it by hand goes with it. */
static void move_top_directory(struct fs *fs, struct side *from, struct side *to,
			       const struct ledger_owner *by)
{
	int64_t ttl = LEDGER_TTL_DEFAULT;
	int64_t pinned = 0;

	if (mark_get(from->was.fd, MARK_TTL, &ttl) < 0)
		ttl = LEDGER_TTL_DEFAULT;
	if (mark_get(from->was.fd, MARK_PINNED, &pinned) < 0)
		pinned = 0;
	(void)!exec_dir_add(fs->execs, to->t.exec, &from->was.handle,
			    from->is_auto ? from->ino : from->was.st.st_ino, from->is_auto, by);
	exec_restore_marks(fs->execs, to->t.exec, ttl, pinned != 0);
}

/* `from` now has the name of `to`: executions, places, names at the top. */
static void moved(struct fs *fs, fuse_req_t req, struct side *from, struct side *to)
{
	bool is_dir = S_ISDIR(from->was.st.st_mode);
	bool to_top = to->t.dir->place == PLACE_ROOT && to->t.exec->lifetime == LIFETIME_TTL;
	bool from_top = from->t.dir->place == PLACE_ROOT && from->t.exec->lifetime == LIFETIME_TTL;
	struct ledger_owner by = { 0 };
	struct inode *inode =
		itable_peek(fs->itable, from->is_auto ? from->ino : from->was.st.st_ino,
			    &from->was.handle);

	if (atomic_load(&to->t.exec->state) == EXEC_VIRTUAL)
		node_caller(req, &by);
	if (to_top && is_dir)
		move_top_directory(fs, from, to, &by);
	else if (to_top)
		(void)!exec_flat_add(fs->execs, to->t.exec, to->name,
				     &by); /* -ENOMEM: not released with it */
	else if (to->t.own_exec)
		exec_activate(fs->execs, to->t.exec, &by);

	if (from->t.exec != to->t.exec || from->t.place != to->t.place) {
		if (inode)
			node_set_exec(fs, inode, exec_ref(to->t.exec), to->t.place);
		if (is_dir)
			hand_over_directory(fs, &from->was.handle, from->t.exec, to->t.exec);
		else if (inode && S_ISREG(inode->mode))
			node_record(fs, inode, to->t.exec, (uint64_t)from->was.st.st_size,
				    node_own_ttl(fs, from->was.fd));
	}
	if (inode)
		itable_unref(fs->itable, inode);

	if (from_top && is_dir && from->t.exec != to->t.exec)
		exec_dir_drop(fs->execs, from->t.exec, LEDGER_REMOVED);
	else if (from_top && !is_dir)
		exec_flat_drop(fs->execs, from->t.exec, from->name);
}

/* What cannot be moved: see the comments. */
static int check(const struct side *from, const struct side *to, unsigned int flags)
{
	/*
	 * The number that the mount shows for a directory of its own making is found by its name at the top;
	 * elsewhere it would be another directory. EXDEV makes mv(1) copy.
	 */
	if (from->is_auto &&
	    (to->t.dir->place != PLACE_ROOT || to->t.exec->lifetime != LIFETIME_TTL))
		return -EXDEV;
	if (flags & RENAME_EXCHANGE && (from->is_auto || to->is_auto))
		return -EXDEV;
	if (flags & RENAME_EXCHANGE && to->was.fd < 0)
		return -ENOENT;
	return from->was.fd < 0 ? -ENOENT : 0;
}

static int do_rename(struct fs *fs, fuse_req_t req, struct side *from, struct side *to,
		     unsigned int flags)
{
	bool same =
		from->was.fd >= 0 && to->was.fd >= 0 && from->was.st.st_ino == to->was.st.st_ino;
	int r = check(from, to, flags);

	if (r == 0 && flags & RENAME_WHITEOUT)
		r = fs_assume(fs, req, false);
	if (r == 0 && renameat2(from->t.ref.fd, from->name, to->t.ref.fd, to->name, flags) < 0)
		r = -errno;
	if (r < 0 || same) /* two names of one file: nothing happens, says rename(2) */
		return r;
	if (flags & RENAME_EXCHANGE) {
		moved(fs, req, from, to);
		moved(fs, req, to, from);
		return 0;
	}
	if (to->was.fd >= 0)
		victim_gone(fs, &to->t, to->name, &to->was);
	moved(fs, req, from, to);
	target_vanish(fs, &from->t);
	return 0;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags)
{
	struct fs *fs = fs_of(req);
	struct side from;
	struct side to;
	bool is_dir;
	int r;

	fs_count(fs, FS_OP_rename);
	if (is_control(parent) || is_control(newparent)) {
		reply_err(req, -EPERM);
		return;
	}
	is_dir = is_directory(fs, parent, name);
	r = side_enter(fs, req, parent, name, is_dir, false, &from);
	if (r == 0) {
		r = side_enter(fs, req, newparent, newname,
			       flags & RENAME_EXCHANGE ? is_directory(fs, newparent, newname)
						       : is_dir,
			       true, &to);
		if (r == 0) {
			r = do_rename(fs, req, &from, &to, flags);
			side_leave(fs, &to);
		}
		side_leave(fs, &from);
	}
	reply_err(req, r);
}
