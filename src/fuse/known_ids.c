/* SPDX-License-Identifier: MIT */
/*
 * A ring of node ids, so one that was forgotten meanwhile is not touched. It may have one of them twice, or one that is
 * real by now: that one comes again when it vanishes.
 *
 * Somebody may have such a directory for his working directory: it stays that, and has its name again when that is looked up.
 */
#include "fuse/known_ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fs.h"
#include "fuse/node.h"
#include "util/cleanup.h"

struct passing {
	struct fs *fs; /* borrowed */
	uint64_t nodeid;
};

static bool is_virtual(struct fs *fs, struct inode *inode)
{
	struct execution *e;
	struct handle dir;
	bool found;

	if (!(atomic_load(&inode->flags) & INODE_AUTO))
		return false;
	e = node_exec(fs, inode);
	found = exec_dir(e, &dir) == 0;
	exec_unref(fs->execs, e);
	return !found;
}

/* Where its name stands, and what it is. 0, -ESTALE: it is forgotten, -EISDIR: it is real. */
static int find_name(struct fs *fs, uint64_t nodeid, uint64_t *ret_dir, char id[RULE_ID_MAX + 1])
{
	struct inode *inode;
	bool passes;

	if (nodeid & CONTROL_NODE_BIT)
		return control_id_name(fs->control, nodeid, ret_dir, id);
	inode = itable_ref(fs->itable, nodeid);
	if (!inode)
		return -ESTALE;
	passes = is_virtual(fs, inode);
	*ret_dir = FUSE_ROOT_ID;
	if (passes)
		(void)strcpy(id, inode_auto_id(inode));
	itable_unref(fs->itable, inode);
	return passes ? 0 : -EISDIR;
}

static bool drop(void *arg, struct fuse_session *session)
{
	_cleanup_free_ struct passing *p = arg;
	char id[RULE_ID_MAX + 1];
	uint64_t dir;

	if (session && find_name(p->fs, p->nodeid, &dir, id) == 0)
		(void)fuse_lowlevel_notify_inval_entry(session, dir, id, strlen(id));
	return false;
}

static bool is_known(struct fs *fs, uint64_t nodeid)
{
	struct inode *inode;

	if (!nodeid || nodeid & CONTROL_NODE_BIT)
		return nodeid != 0;
	inode = itable_ref(fs->itable, nodeid);
	if (inode)
		itable_unref(fs->itable, inode);
	return inode != NULL;
}

static uint64_t put(struct fs *fs, uint64_t nodeid)
{
	uint32_t at = atomic_fetch_add(&fs->known_next, 1) % KNOWN_IDS_MAX;

	return atomic_exchange(&fs->known[at], nodeid);
}

void known_ids_add(struct fs *fs, uint64_t nodeid)
{
	uint64_t old = put(fs, nodeid);
	struct passing *p;

	if (!is_known(fs, old))
		return;
	p = malloc(sizeof(*p));
	if (!p)
		return; /* the kernel forgets it some time */
	*p = (struct passing){ .fs = fs, .nodeid = old };
	if (notify_slowly(fs->notify, drop, p) < 0)
		free(p);
}

void known_ids_adopt(void *arg, uint64_t nodeid)
{
	(void)put(arg, nodeid);
}
