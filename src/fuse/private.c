/* SPDX-License-Identifier: MIT */
/*
 * Whom a name at the top is for.
 */
#include "fuse/private.h"

#include <errno.h>
#include <fcntl.h>

#include "fuse/node_exec.h"

static struct viewer viewer(struct fs *fs, fuse_req_t req)
{
	return viewer_of(&exec_table_config(fs->execs)->privacy, fuse_req_ctx(req)->uid);
}

/* What is there; a directory's execution is e. */
static bool sees(const struct viewer *v, const struct stat *st, struct execution *e)
{
	if (viewer_sees(v, st->st_uid))
		return true;
	if (!S_ISDIR(st->st_mode) || e->lifetime == LIFETIME_FILES)
		return false;
	return e->lifetime == LIFETIME_EXTERNAL || !exec_is_others(e, v->uid);
}

static bool is_uids(struct fs *fs, struct inode *dir, uid_t uid)
{
	struct dirref ref;
	struct stat st;
	bool yes;

	if (node_get(fs, dir, &ref) < 0)
		return false;
	yes = fstat(ref.fd, &st) == 0 && st.st_uid == uid;
	node_put(fs, &ref);
	return yes;
}

int private_check_dir(struct fs *fs, fuse_req_t req, struct inode *dir)
{
	struct viewer v = viewer(fs, req);
	struct execution *e;
	int r = 0;

	/* What is below can be reached only by who has come through here, or was given a descriptor. */
	if (!v.restricted || !(atomic_load(&dir->flags) & INODE_AUTO))
		return 0;
	e = node_exec(fs, dir);
	if (exec_is_others(e, v.uid) && !is_uids(fs, dir, v.uid))
		r = -EACCES;
	exec_unref(fs->execs, e);
	return r;
}

int private_check_entry(struct fs *fs, fuse_req_t req, const struct fuse_entry_param *e)
{
	struct viewer v = viewer(fs, req);
	struct execution *exec;
	bool seen;

	if (!v.restricted)
		return 0;
	exec = node_exec(fs, node_find(fs, e->ino));
	seen = sees(&v, &e->attr, exec);
	exec_unref(fs->execs, exec);
	if (seen)
		return 0;
	itable_take_back(fs->itable, e->ino);
	return -ENOMEM;
}

int private_check_target(struct fs *fs, fuse_req_t req, const struct target *t, const char *name)
{
	struct viewer v = viewer(fs, req);
	struct stat st;
	bool seen;

	if (!v.restricted)
		return 0;
	if (t->dir->place != PLACE_ROOT)
		return private_check_dir(fs, req, t->dir);
	if (fstatat(t->ref.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		seen = sees(&v, &st, t->exec);
	else /* to be made: as part of nobody else's execution */
		seen = t->exec->lifetime != LIFETIME_TTL || !exec_is_others(t->exec, v.uid);
	return seen ? 0 : -EACCES;
}

bool private_lists(struct fs *fs, fuse_req_t req, int fd, const char *name)
{
	struct viewer v = viewer(fs, req);
	struct execution *e;
	struct rule_match m;
	struct stat st;
	bool seen;

	if (!v.restricted)
		return true;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (viewer_sees(&v, st.st_uid))
		return true;
	rule_match(PLACE_ROOT, name, S_ISDIR(st.st_mode), &m);
	if (!S_ISDIR(st.st_mode) || m.lifetime != LIFETIME_TTL)
		return m.lifetime == LIFETIME_EXTERNAL;
	e = exec_lookup(fs->execs, m.id);
	seen = e && sees(&v, &st, e);
	exec_unref(fs->execs, e);
	return seen;
}

void private_made(struct fs *fs, const struct inode *dir)
{
	lock_assert_none();
	if (fs->session)
		(void)fuse_lowlevel_notify_inval_inode(fs->session, itable_nodeid(fs->itable, dir),
						       -1, 0); /* -ENOENT: not cached */
}
