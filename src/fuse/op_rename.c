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

#include "exec/recover.h"
#include "fuse/caller.h"
#include "fuse/growth.h"
#include "fuse/hand_over.h"
#include "fuse/node_exec.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/target.h"
#include "fuse/victim.h"
#include "store/mark.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/log.h"

/* One side of a rename: where, and what is there before it. */
struct side {
	struct target t;
	const char *name;
	struct victim was;
	bool is_auto; /* an execution's directory that batonfs made */
	uint64_t ino; /* as shown, if is_auto */
};

/* Whether the execution of what is in a directory depends on its name. */
static bool is_naming(enum place place)
{
	return place == PLACE_ROOT || place == PLACE_N8N || place == PLACE_N8N_EXECUTIONS;
}

/*
 * Directories count as such in the rules; so it must be known what it is before its place is, unless the rules do not
 * look at names where it is nor where it goes.
 */
static bool is_named_by_rules(struct fs *fs, fuse_ino_t parent)
{
	struct inode *dir = node_find(fs, parent);

	return dir && is_naming(dir->place);
}

static bool is_directory(struct fs *fs, fuse_ino_t parent, const char *name)
{
	struct inode *dir = node_find(fs, parent);
	struct dirref ref = { .fd = -1, .slot = -1 };
	bool yes = false;
	struct stat st;

	if (dir && node_get(fs, dir, &ref) == 0) {
		yes = fstatat(ref.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
		node_put(fs, &ref);
	}
	return yes;
}

static void side_leave(struct fs *fs, struct side *s)
{
	victim_done(&s->was);
	target_leave(fs, &s->t);
}

static int side_enter(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name,
		      unsigned int target_flags, struct side *s)
{
	int r;

	*s = (struct side){ .name = name, .was = VICTIM_NONE };
	r = target_enter(fs, req, parent, name, target_flags, &s->t);
	if (r < 0)
		return r;
	r = victim_find(s->t.ref.fd, name, &s->was);
	if (r < 0 && r != -ENOENT) {
		side_leave(fs, s);
		return r;
	}
	if (r == 0 && S_ISDIR(s->was.st.st_mode) && s->t.dir->place == PLACE_ROOT)
		s->is_auto = exec_dir_is_auto(s->t.exec, &s->ino);
	return 0;
}

/* ---- changing hands ---- */

/*
 * The execution's directory has another name: what was set on it by hand goes with it. From now on it is the
 * client's, not one that batonfs made and numbered by its name.
 */
static void move_top_directory(struct fs *fs, struct side *from, struct side *to,
			       const struct ledger_owner *by)
{
	int64_t ttl = LEDGER_TTL_DEFAULT;
	int64_t pinned = 0;

	if (mark_get(from->was.fd, MARK_TTL, &ttl) < 0)
		ttl = LEDGER_TTL_DEFAULT;
	if (mark_get(from->was.fd, MARK_PINNED, &pinned) < 0)
		pinned = 0;
	if (mark_clear(from->was.fd, MARK_AUTO) < 0) /* one that was left of another name, too */
		log_warning("op=rename execution=%s: cannot clear its mark, ignoring",
			    to->t.exec->id);
	(void)!exec_dir_add(fs->execs, to->t.exec, &from->was.handle, from->was.st.st_ino, false,
			    by);
	exec_restore_marks(fs->execs, to->t.exec, ttl, pinned != 0, true);
}

static bool at_top(const struct side *s)
{
	return s->t.dir->place == PLACE_ROOT && s->t.exec->lifetime == LIFETIME_TTL;
}

/* `from` now has the name of `to`: executions, places, names at the top. */
static void arrived(struct fs *fs, fuse_req_t req, struct side *from, struct side *to,
		    unsigned int flags)
{
	bool is_dir = S_ISDIR(from->was.st.st_mode);
	struct ledger_owner by = { 0 };
	struct inode *inode =
		itable_peek(fs->itable, from->is_auto ? from->ino : from->was.st.st_ino,
			    &from->was.handle);

	if (atomic_load(&to->t.exec->state) == EXEC_VIRTUAL)
		caller_as_maker(fs, req, &by);
	if (at_top(to) && is_dir)
		move_top_directory(fs, from, to, &by);
	else if (at_top(to) && flags & RENAME_EXCHANGE)
		; /* the name is on the list */
	else if (at_top(to))
		(void)!exec_flat_add(fs->execs, to->t.exec, to->name,
				     &by); /* -ENOMEM: not released with it */
	else if (to->t.own_exec)
		exec_activate(fs->execs, to->t.exec, &by);

	if (from->t.exec != to->t.exec || from->t.place != to->t.place) {
		if (inode)
			node_set_exec(fs, inode, exec_ref(to->t.exec), to->t.place);
		if (is_dir)
			hand_over_directory(fs, &from->was.handle, &from->t, &to->t);
		else if (inode && S_ISREG(inode->mode))
			node_record(fs, inode, to->t.exec, (uint64_t)from->was.st.st_size,
				    node_own_ttl(fs, from->was.fd));
	} else if (inode && !is_dir) {
		/* A directory above may just be changing hands, and the walk below it miss this one. */
		exec_unref(fs->execs, node_exec(fs, inode));
	}
	if (inode)
		itable_unref(fs->itable, inode);
}

/* The name of `from` is free, or a whiteout's. */
static void departed(struct fs *fs, struct side *from, struct side *to, unsigned int flags)
{
	bool is_dir = S_ISDIR(from->was.st.st_mode);

	if (is_dir && from->t.exec != to->t.exec &&
	    (at_top(from) || (from->t.own_exec && from->t.exec->lifetime == LIFETIME_EXTERNAL)))
		exec_dir_drop(fs->execs, from->t.exec, LEDGER_REMOVED);
	else if (at_top(from) && !is_dir && !(flags & RENAME_WHITEOUT))
		exec_flat_drop(fs->execs, from->t.exec, from->name);
	if (is_dir && at_top(to))
		node_detach(fs, to->name); /* virtual so far, dead to the kernel now */
	if (from->is_auto) { /* the kernel's inode has the number that belongs to the old name */
		node_detach(fs, from->name);
		notify_gone(fs->notify, FUSE_ROOT_ID, to->name, 0);
	}
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
	/* A file and a directory of the same name may belong to different executions. */
	if (flags & RENAME_EXCHANGE &&
	    S_ISDIR(from->was.st.st_mode) != S_ISDIR(to->was.st.st_mode) &&
	    (is_naming(from->t.dir->place) || is_naming(to->t.dir->place)))
		return -EXDEV;
	return from->was.fd < 0 ? -ENOENT : 0;
}

/* A walk that is on may have missed what has moved. Returns whether it still may. */
static bool report(struct fs *fs, struct side *from, struct side *to)
{
	return recover_is_walking(fs->execs) &&
	       !target_report(fs, &to->t, to->name, &from->was.st, &from->was.handle);
}

/* Whatever follows from it. */
static void moved(struct fs *fs, fuse_req_t req, struct side *from, struct side *to,
		  unsigned int flags, bool *ret_missed)
{
	if (from->was.st.st_ino == to->was.st.st_ino && to->was.fd >= 0)
		return; /* two names of one file: nothing happens, says rename(2) */
	if (flags & RENAME_EXCHANGE) {
		arrived(fs, req, from, to, flags);
		arrived(fs, req, to, from, flags);
		*ret_missed = report(fs, from, to);
		*ret_missed |= report(fs, to, from);
		return;
	}
	if (to->was.fd >= 0)
		victim_gone(fs, &to->t, to->name, &to->was);
	arrived(fs, req, from, to, flags);
	*ret_missed = report(fs, from, to);
	departed(fs, from, to, flags);
}

static int move_name(struct fs *fs, fuse_req_t req, struct side *from, struct side *to,
		     unsigned int flags, bool *ret_missed)
{
	const struct request_change change = {
		.kind = CHANGE_RENAME,
		.ino = from->was.st.st_ino,
		.other = to->was.fd < 0 ? 0 : to->was.st.st_ino,
		.fd = to->was.fd,
	};
	int r;

	request_changing(&change);
	r = renameat2(from->t.ref.fd, from->name, to->t.ref.fd, to->name, flags) < 0 ? -errno : 0;
	FAULT_HANG("renamed");
	if (r == 0)
		moved(fs, req, from, to, flags, ret_missed);
	request_changed(r, to->was.fd);
	return r;
}

/* ---- limits ---- */

struct sum {
	uint64_t files;
	uint64_t bytes;
	bool open; /* whoever has it open keeps the bytes of what is replaced */
};

static int sum_entry(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct sum *sum = arg;

	(void)ret_tag;
	if (S_ISREG(w->st->st_mode)) {
		sum->files++;
		sum->bytes = MIN_OF(sum->bytes + (uint64_t)w->st->st_size,
				    (uint64_t)INT64_MAX); /* none has more */
	}
	return 0;
}

/* What goes with a name. */
static int sum_moved(struct fs *fs, const struct side *s, struct sum *ret)
{
	*ret = (struct sum){ 0 };
	if (s->was.fd < 0)
		return 0;
	if (S_ISDIR(s->was.st.st_mode))
		return walk(fs->store->fd, &s->was.handle, 0, sum_entry, ret);
	if (S_ISREG(s->was.st.st_mode))
		*ret = (struct sum){ .files = 1, .bytes = (uint64_t)s->was.st.st_size };
	return 0;
}

/* What its execution is given back of what is replaced: nothing if another one accounts for it, or a name is left. */
static void sum_replaced(struct fs *fs, const struct side *s, struct sum *ret)
{
	struct inode *inode;

	*ret = (struct sum){ 0 };
	if (s->was.fd < 0 || !S_ISREG(s->was.st.st_mode) || s->was.st.st_nlink > 1)
		return;
	*ret = (struct sum){ .files = 1, .bytes = (uint64_t)s->was.st.st_size };
	inode = itable_peek(fs->itable, s->was.st.st_ino, &s->was.handle);
	if (!inode)
		return;
	{
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		ret->open = growth_is_watched(fs) && inode->nopen > 0;
		ret->bytes = ret->open ? 0 : inode->size_accounted;
		if (inode->exec != s->t.exec)
			*ret = (struct sum){ 0 };
	}
	itable_unref(fs->itable, inode);
}

static int take_sum(struct fs *fs, struct execution *e, const struct sum *comes,
		    const struct sum *goes, struct growth_take *ret)
{
	return growth_take(fs, e, LESS_OF(comes->files, goes->files),
			   LESS_OF(comes->bytes, goes->bytes), ret);
}

/* Both sides of an exchange, or the one that gets something, pay for it before it happens. */
static int take_rename(struct fs *fs, const struct side *from, const struct side *to,
		       unsigned int flags, struct growth_take ret[2])
{
	struct exec_limits limits = exec_default_limits(fs->execs);
	struct sum comes, goes;
	int r;

	if (from->t.exec == to->t.exec || (limits.bytes == 0 && limits.files == 0))
		return 0;
	r = sum_moved(fs, from, &comes);
	if (r == 0 && flags & RENAME_EXCHANGE) {
		r = sum_moved(fs, to, &goes);
		if (r == 0)
			r = take_sum(fs, to->t.exec, &comes, &goes, &ret[0]);
		return r < 0 ? r : take_sum(fs, from->t.exec, &goes, &comes, &ret[1]);
	}
	for (int i = 0; r == 0; i++) { /* the word of a close may be on its way */
		sum_replaced(fs, to, &goes);
		r = take_sum(fs, to->t.exec, &comes, &goes, &ret[0]);
		if (r != -EDQUOT || !goes.open || !growth_wait(i))
			return r;
		r = 0;
	}
	return r;
}

/* ---- again ---- */

static bool is_ino(const struct victim *v, uint64_t ino)
{
	return v->fd >= 0 && v->st.st_ino == ino;
}

/* The mark tells it of a directory that has another name by now. */
static void tell_auto(struct side *s)
{
	int64_t ino;

	if (S_ISDIR(s->was.st.st_mode) && s->t.dir->place == PLACE_ROOT &&
	    mark_get(s->was.fd, MARK_AUTO, &ino) == 0) {
		s->is_auto = true;
		s->ino = exec_auto_ino(s->name);
	}
}

static bool is_whiteout(const struct victim *v)
{
	return v->fd >= 0 && S_ISCHR(v->st.st_mode) && v->st.st_rdev == 0;
}

/*
 * The last process had done it, or all but what follows from it: let the sides be as they were before. False: it
 * had not.
 */
static bool was_moved(const struct request_change *before, struct side *from, struct side *to,
		      unsigned int flags)
{
	struct victim v = from->was;

	if (!is_ino(&to->was, before->ino))
		return false;
	if (flags & RENAME_EXCHANGE && !is_ino(&from->was, before->other))
		return false;
	if (!(flags & RENAME_EXCHANGE) && from->was.fd >= 0 &&
	    !(flags & RENAME_WHITEOUT && is_whiteout(&from->was)))
		return false;
	from->was = to->was;
	to->was = v;
	if (!(flags & RENAME_EXCHANGE))
		victim_done(&to->was);
	if (!(flags & RENAME_EXCHANGE) && victim_was(before->fd, &to->was) < 0)
		to->was = VICTIM_NONE;
	tell_auto(from);
	return true;
}

static int do_rename(struct fs *fs, fuse_req_t req, struct side *from, struct side *to,
		     unsigned int flags, struct growth_take taken[2])
{
	const struct request_change *before = request_again(CHANGE_RENAME);
	bool missed = false;
	int r;

	if (before && was_moved(before, from, to, flags)) {
		recover_name_begin(fs->execs);
		moved(fs, req, from, to, flags, &missed);
		recover_name_end(fs->execs, missed);
		return 0;
	}
	r = check(from, to, flags);
	if (r == 0 && flags & RENAME_WHITEOUT)
		r = fs_assume(fs, req, false);
	if (r == 0)
		r = take_rename(fs, from, to, flags, taken);
	if (r < 0)
		return r;
	recover_name_begin(fs->execs);
	r = move_name(fs, req, from, to, flags, &missed);
	recover_name_end(fs->execs, missed);
	return r;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags)
{
	struct fs *fs = fs_of(req);
	unsigned int from_kind;
	unsigned int to_kind;
	bool named;
	struct growth_take taken[2] = { { 0 } };
	struct side from;
	struct side to;
	int r;

	fs_count(fs, FS_OP_rename);
	if (is_control(parent) || is_control(newparent)) {
		reply_err(req, -EPERM);
		return;
	}
	named = is_named_by_rules(fs, parent) || is_named_by_rules(fs, newparent);
	from_kind =
		named && (is_directory(fs, parent, name) ||
			  (request_again(CHANGE_RENAME) && is_directory(fs, newparent, newname)))
			? TARGET_DIR
			: 0;
	to_kind = from_kind;
	if (flags & RENAME_EXCHANGE)
		to_kind = named && is_directory(fs, newparent, newname) ? TARGET_DIR : 0;
	r = side_enter(fs, req, parent, name, from_kind, &from);
	if (r == 0) {
		r = side_enter(fs, req, newparent, newname, to_kind | TARGET_MAKE | TARGET_NESTED,
			       &to);
		if (r == 0) {
			r = do_rename(fs, req, &from, &to, flags, taken);
			growth_taken(&taken[0]);
			growth_taken(&taken[1]);
			side_leave(fs, &to);
		}
		side_leave(fs, &from);
	}
	FAULT_WAIT("name-gone");
	reply_err(req, r);
}
