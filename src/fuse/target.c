/* SPDX-License-Identifier: MIT */
/*
 * Targets and entries: where names, executions and inodes meet.
 */
#include "fuse/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "baton/interface.h"
#include "exec/recover.h"
#include "fuse/caller.h"
#include "fuse/content.h"
#include "fuse/node_exec.h"
#include "fuse/notify.h"
#include "fuse/private.h"
#include "fuse/request.h"
#include "store/mark.h"
#include "util/cleanup.h"
#include "util/log.h"

/* The directory of an INODE_AUTO parent, made if need be; its execution is entered. */
static int open_auto(struct fs *fs, fuse_req_t req, struct target *t, bool make)
{
	struct ledger_owner by;
	struct handle h;
	int r = exec_dir(t->parent_exec, &h);

	if (r == -ENOENT && make) {
		r = fs_assume(fs, req, true);
		if (r < 0)
			return r;
		caller_as_maker(fs, req, &by);
		r = exec_materialise(fs->execs, t->parent_exec, &by, &h, &t->root_changed);
	}
	return r < 0 ? r : dircache_get(fs->dirs, itable_nodeid(fs->itable, t->dir), &h, &t->ref);
}

static int enter(struct execution *e, unsigned int flags)
{
	return flags & TARGET_NESTED ? exec_enter_nested(e) : exec_enter(e);
}

static int open_parent(struct fs *fs, fuse_req_t req, struct target *t, unsigned int flags)
{
	bool is_auto = atomic_load(&t->dir->flags) & INODE_AUTO;

	for (;;) {
		t->parent_exec = node_exec(fs, t->dir);
		if (!t->parent_exec || enter(t->parent_exec, flags) == 0)
			break;
		exec_unref(fs->execs, t->parent_exec);
		t->parent_exec = NULL;
		if (!is_auto)
			return -ENOENT; /* released: this directory is being deleted */
		node_rebind(fs, t->dir);
	}
	return is_auto ? open_auto(fs, req, t, flags & TARGET_MAKE) : node_get(fs, t->dir, &t->ref);
}

static int enter_child(struct fs *fs, struct target *t, const char *name, unsigned int flags)
{
	struct rule_match m;

	rule_match(t->dir->place, name, flags & TARGET_DIR, &m);
	t->place = m.place;
	if (m.inherits) {
		t->exec = t->parent_exec;
		return 0;
	}
	for (;;) {
		t->exec = exec_get(fs->execs, m.id, m.lifetime);
		if (!t->exec)
			return -ENOMEM;
		if (enter(t->exec, t->parent_exec ? flags | TARGET_NESTED : flags) == 0)
			break;
		exec_unref(fs->execs, t->exec); /* released: the ID starts again */
	}
	t->own_exec = true;
	return 0;
}

int target_enter(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name,
		 unsigned int flags, struct target *ret)
{
	int r;

	*ret = (struct target){ .dir = node_find(fs, parent), .ref = { .fd = -1, .slot = -1 } };
	if (!ret->dir)
		return -ESTALE;
	if (parent == FUSE_ROOT_ID && strcmp(name, BATON_DIR) == 0)
		return -EPERM; /* nothing takes its place, nor takes it away */
	ret->epoch = atomic_load(&fs->exec_epoch);
	r = open_parent(fs, req, ret, flags);
	if (r == 0)
		r = enter_child(fs, ret, name, flags);
	if (r == 0 && private_is_on(fs))
		r = private_check_target(fs, req, ret, name);
	if (r < 0)
		target_leave(fs, ret);
	return r;
}

void target_leave(struct fs *fs, struct target *t)
{
	if (t->exec &&
	    request_is_again()) /* whoever counted the files may have seen what was done before */
		atomic_store(&t->exec->recount, true);
	node_put(fs, &t->ref);
	if (t->own_exec && t->exec) {
		exec_leave(t->exec);
		exec_unref(fs->execs, t->exec);
	}
	if (t->parent_exec) {
		exec_leave(t->parent_exec);
		if (atomic_load(&t->dir->flags) & INODE_AUTO)
			exec_vacate(t->parent_exec);
		exec_unref(fs->execs, t->parent_exec);
	}
	if (t->root_changed) {
		fs_root_changed(fs);
		if (private_is_on(fs))
			private_made(fs, t->dir);
	}
	*t = (struct target){ .ref = { .fd = -1, .slot = -1 } };
}

/* ---- entries ---- */

static void fill_entry(struct fs *fs, const struct inode *dir, struct inode *inode,
		       const struct stat *st, struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = itable_nodeid(fs->itable, inode),
		.attr = *st,
		.entry_timeout = private_name_seconds(fs, dir, (enum place)inode->place),
	};
	node_show(inode, &ret->attr);
	ret->attr_timeout = node_attr_seconds(fs, inode, &ret->attr, false);
}

/* Regular files carry a lifetime of their own in a mark; seen when the inode becomes known. */
static int64_t own_ttl(struct fs *fs, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;

	if (!atomic_load_explicit(&fs->own_ttls, memory_order_relaxed))
		return LEDGER_TTL_DEFAULT;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return node_own_ttl(fs, fd);
}

/*
 * Find or make the inode. The reference to e is taken over. like->exec_epoch was read before e was found: so a
 * directory above that changes hands meanwhile is noticed later.
 */
static int make_inode(struct fs *fs, struct inode *like, struct execution *e, const struct stat *st,
		      struct inode **ret_inode, bool *ret_new)
{
	int r;

	like->mode = st->st_mode & S_IFMT;
	like->exec = e;
	like->size_accounted = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	r = itable_lookup(fs->itable, like, ret_inode, ret_new);
	if (r < 0 || !*ret_new)
		exec_unref(fs->execs, e);
	return r;
}

static int stat_entry(int dirfd, const char *name, int fd, struct stat *st, struct handle *h)
{
	int r = fd >= 0 ? fstat(fd, st) : fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return -errno;
	return fd >= 0 ? handle_at(fd, "", h) : handle_at(dirfd, name, h);
}

/* An execution's directory that batonfs made is known by the number it gave it. */
static void mark_auto(struct inode *dir, struct inode *like, const struct stat *st,
		      struct execution *e)
{
	uint64_t ino;

	if (dir->place == PLACE_ROOT && like->place == PLACE_TREE && S_ISDIR(st->st_mode) &&
	    exec_dir_is_auto(e, &ino)) {
		like->ino = ino;
		inode_set_auto_id(like, e->id);
		atomic_store(&like->flags, INODE_AUTO);
	}
}

/*
 * What was found by name may be of a moment when its content was moved, and is a stub's perhaps: a new one is charged for
 * what it has, not for what it was taken for.
 */
static void settle_attributes(struct fs *fs, struct inode *inode, bool is_new,
			      const struct move_look *look, struct stat *st)
{
	struct stat now = *st;

	if (!S_ISREG(st->st_mode))
		return;
	if (!move_seen(fs, look) || node_stat(fs, inode, &now) < 0)
		content_show(fs, inode, -1, &now);
	if (is_new && now.st_size != st->st_size) {
		LOCK_SCOPE(itable_lock(fs->itable, inode));
		if (inode->size_accounted == (uint64_t)st->st_size)
			inode->size_accounted = (uint64_t)now.st_size;
	}
	*st = now;
}

/*
 * What is known of a file that was made a moment ago: no filesystem gives a directory's chattr +i or +a to what is made in
 * it. Of one that the last process made somebody else may have known since.
 */
static uint32_t flags_of_made(void)
{
	return request_is_again() ? 0 : INODE_LEARNED | INODE_NO_CAPABILITY;
}

int target_entry(struct fs *fs, struct target *t, const char *name, int fd,
		 struct inode **ret_inode, struct fuse_entry_param *ret)
{
	struct inode like = { .place = (uint8_t)t->place,
			      .flags = fd >= 0 ? flags_of_made() : 0,
			      .exec_epoch = t->epoch };
	struct move_look look = move_look(fs);
	struct stat st;
	bool is_new;
	int r = stat_entry(t->ref.fd, name, fd, &st, &like.handle);

	if (r < 0)
		return r;
	like.ino = st.st_ino;
	mark_auto(t->dir, &like, &st, t->exec);
	r = make_inode(fs, &like, exec_ref(t->exec), &st, ret_inode, &is_new);
	if (r < 0)
		return r;
	if (!is_new) /* seldom: it was there before */
		settle_attributes(fs, *ret_inode, false, &look, &st);
	fill_entry(fs, t->dir, *ret_inode, &st, ret);
	return 0;
}

void target_unmade(struct fs *fs, struct target *t, const char *name, bool is_dir)
{
	if (unlinkat(t->ref.fd, name, is_dir ? AT_REMOVEDIR : 0) < 0)
		notify_gone(fs->notify, itable_nodeid(fs->itable, t->dir), name, 0);
}

/* The directory of an execution that is not there: an empty one, if IDs of this shape are virtual. */
static int lookup_virtual(struct fs *fs, struct inode *dir, const char *name,
			  struct fuse_entry_param *ret)
{
	struct inode like = { .place = PLACE_TREE,
			      .flags = INODE_AUTO,
			      .exec_epoch = atomic_load(&fs->exec_epoch) };
	struct stat st = { .st_mode = S_IFDIR };
	struct execution *e;
	struct inode *inode;
	bool is_new;
	int r;

	if (dir->place != PLACE_ROOT || !exec_table_config(fs->execs)->autodir ||
	    !rule_is_n8n_id(name))
		return -ENOENT;
	e = exec_get(fs->execs, name, LIFETIME_TTL);
	if (!e)
		return -ENOMEM;
	like.ino = exec_auto_ino(name);
	inode_set_auto_id(&like, name);
	r = make_inode(fs, &like, e, &st, &inode, &is_new);
	if (r < 0)
		return r;
	r = node_stat(fs, inode, &st);
	if (r < 0) {
		itable_take_back(fs->itable, itable_nodeid(fs->itable, inode));
		return r;
	}
	known_ids_add(fs, inode);
	fill_entry(fs, dir, inode, &st, ret);
	return 0;
}

/* The execution of an entry that is looked up. */
static struct execution *entry_exec(struct fs *fs, struct inode *dir, const struct rule_match *m)
{
	return m->inherits ? node_exec(fs, dir) : exec_get(fs->execs, m->id, m->lifetime);
}

/*
 * What is left of a file whose execution was released: another name, in one that was not. It is looked up, at
 * the latest, when an open has been told ESTALE.
 */
static void inherit(struct fs *fs, struct inode *dir, const struct rule_match *m,
		    struct inode *inode, uint64_t size_bytes, int64_t ttl_ns)
{
	struct execution *e = entry_exec(fs, dir, m);

	/* One without a number has no name at the top: so this name has just gone, too. */
	if (e && exec_number(e) && atomic_load(&e->state) != EXEC_RELEASED &&
	    node_inherit(fs, inode, e, m->place))
		node_record(fs, inode, e, size_bytes, ttl_ns);
	exec_unref(fs->execs, e);
}

/*
 * What `name` is and whose. An execution that is released takes its names away first, and is left by the table
 * last; so what was found may be in the trash already, and must be taken neither for the name's next owner's
 * nor for that of one that is over. At the top the owner knows its names: one that it does not know has just gone,
 * or is just being made if it is still there when looked at again.
 */
static int find_entry(struct fs *fs, struct inode *dir, int dirfd, const char *name,
		      struct inode *like, struct stat *st, struct rule_match *m,
		      struct execution **ret_exec)
{
	struct handle before = { 0 };

	for (;;) {
		uint64_t auto_ino = 0;
		struct execution *e;
		bool known;
		int r = stat_entry(dirfd, name, -1, st, &like->handle);

		if (r < 0)
			return r;
		rule_match(dir->place, name, S_ISDIR(st->st_mode), m);
		e = entry_exec(fs, dir, m);
		if (!e)
			return -ENOMEM;
		known = m->inherits || e->lifetime != LIFETIME_TTL ||
			exec_has_name(e, name, S_ISDIR(st->st_mode) ? &like->handle : NULL,
				      &auto_ino);
		if (m->inherits && atomic_load(&e->state) == EXEC_RELEASED) {
			exec_unref(fs->execs, e);
			return -ENOENT;
		}
		like->ino = auto_ino ? auto_ino : st->st_ino;
		like->place = (uint8_t)m->place;
		atomic_store(&like->flags, auto_ino ? INODE_AUTO : 0);
		if (known || handle_equal(&before, &like->handle)) {
			if (auto_ino)
				inode_set_auto_id(like, e->id);
			*ret_exec = e;
			return 0;
		}
		before = like->handle;
		exec_unref(fs->execs, e);
	}
}

int entry_lookup(struct fs *fs, struct inode *dir, int dirfd, const char *name,
		 struct fuse_entry_param *ret)
{
	struct inode like = { .exec_epoch = atomic_load(&fs->exec_epoch) };
	struct execution *e;
	struct rule_match m;
	struct move_look look = move_look(fs);
	struct inode *inode;
	struct stat st;
	bool is_new;
	int r = dirfd < 0 ? -ENOENT : find_entry(fs, dir, dirfd, name, &like, &st, &m, &e);

	if (r == -ENOENT)
		return lookup_virtual(fs, dir, name, ret);
	if (r < 0)
		return r;
	r = make_inode(fs, &like, e, &st, &inode, &is_new);
	if (r < 0)
		return r;
	if (is_new && S_ISREG(st.st_mode) &&
	    (m.place == PLACE_OTHER || own_ttl(fs, dirfd, name) != LEDGER_TTL_DEFAULT))
		atomic_fetch_or(&inode->flags, INODE_TIMED);
	if (!is_new && S_ISREG(st.st_mode) && node_is_over(fs, inode))
		inherit(fs, dir, &m, inode, (uint64_t)st.st_size, own_ttl(fs, dirfd, name));
	settle_attributes(fs, inode, is_new, &look, &st);
	fill_entry(fs, dir, inode, &st, ret);
	return 0;
}

/* ---- creation ---- */

/* A new name at the top of the tree belongs to its execution's list. */
static int add_top(struct fs *fs, struct target *t, const char *name, struct inode *inode,
		   const struct ledger_owner *by)
{
	if (t->exec->lifetime != LIFETIME_TTL) {
		exec_activate(fs->execs, t->exec, by);
		return 0;
	}
	if (S_ISDIR(inode->mode))
		return exec_dir_add(fs->execs, t->exec, &inode->handle, inode->ino, false, by);
	return exec_flat_add(fs->execs, t->exec, name, by);
}

void target_created(struct fs *fs, struct target *t, fuse_req_t req, const char *name,
		    struct inode *inode, const struct stat *st)
{
	struct ledger_owner by = { 0 };
	int r = 0;

	if (atomic_load(&t->exec->state) == EXEC_VIRTUAL)
		caller_as_maker(fs, req, &by);
	if (t->dir->place == PLACE_ROOT)
		r = add_top(fs, t, name, inode, &by);
	else if (t->exec->lifetime != LIFETIME_TTL)
		exec_activate(fs->execs, t->exec, &by);
	if (r < 0)
		log_warning(
			"op=create ino=%llu execution=%s error=%s; it will not be released with that, ignoring",
			(unsigned long long)inode->ino, t->exec->id, log_errname(r));
	if (S_ISREG(inode->mode)) {
		/* A charge is lost if the execution has become virtual in between, its last name gone. */
		if (!t->charged || (int64_t)atomic_load(&t->exec->files) <= 0)
			exec_account(t->exec, 1, st->st_size);
		t->charged = false;
		node_record(fs, inode, t->exec, (uint64_t)st->st_size, LEDGER_TTL_DEFAULT);
	}
	if (t->epoch != atomic_load(&fs->exec_epoch)) /* a directory above may have changed hands */
		exec_unref(fs->execs, node_exec(fs, inode));
}

bool target_report(struct fs *fs, struct target *t, const char *name, const struct stat *st,
		   const struct handle *h)
{
	struct walk_entry entry = { .name = name, .dirfd = t->ref.fd, .st = st, .handle = h };
	struct recover_upcalls up = { .ctx = fs, .settle_stub = fs_settle_stub };
	uint64_t number = exec_number(t->exec);

	if (!S_ISREG(st->st_mode))
		return !S_ISDIR(st->st_mode); /* others have no rows */
	return number && recover_report(fs->ledger, &up, &entry, number, t->place) == 0;
}
