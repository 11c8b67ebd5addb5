/* SPDX-License-Identifier: MIT */
/*
 * A ring of node ids, with room for twice as many as stay known. Who comes is noted at the hand; whoever is on the
 * other side of the ring is let go then. So who is still known when the hand comes to him is in use: he keeps his
 * place, and is let go again half a turn later. Nobody is known, and idle, and not in the ring (INODE_LISTED), or
 * it would be for ever.
 *
 * Let go: FUSE_NOTIFY_PRUNE drops a name that nobody uses, and leaves alone a working directory, what is open, or
 * mounted upon. But it leaves alone as well what has names remembered below it, missing ones (INODE_ASKED) or, in
 * .baton, files; and before Linux 6.18 there is none. Then FUSE_NOTIFY_INVAL_ENTRY drops the name with what is
 * below: who has it for his working directory keeps it, and it has its name again when that is looked up.
 */
#include "fuse/known_ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fs.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "fuse/prune.h"
#include "util/cleanup.h"

/* Places looked at for one that is free. Source: half of all in use, and it is 1 in 60 000 that none is. */
#define TRIES 16

/* What is to become of a node id in the ring. */
enum standing {
	STANDING_NONE, /* it is forgotten, or a real directory: its place is free */
	STANDING_BARE, /* nothing is known below it */
	STANDING_OVER, /* something is */
};

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

static enum standing standing_of(struct fs *fs, uint64_t nodeid)
{
	enum standing s = STANDING_NONE;
	char id[RULE_ID_MAX + 1];
	struct inode *inode;
	uint64_t dir;

	if (!nodeid)
		return STANDING_NONE;
	if (nodeid & CONTROL_NODE_BIT)
		return control_id_name(fs->control, nodeid, &dir, id) < 0 ? STANDING_NONE
									  : STANDING_OVER;
	inode = itable_ref(fs->itable, nodeid);
	if (!inode)
		return STANDING_NONE;
	if (is_virtual(fs, inode))
		s = atomic_load(&inode->flags) & INODE_ASKED ? STANDING_OVER : STANDING_BARE;
	itable_unref(fs->itable, inode);
	return s;
}

/* Where its name stands. What is known below it will not be any more. 0, -ESTALE: it is forgotten, -EISDIR: it is real. */
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
	if (passes) {
		(void)strcpy(id, inode_auto_id(inode));
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_ASKED);
	}
	itable_unref(fs->itable, inode);
	return passes ? 0 : -EISDIR;
}

static bool drop_step(void *arg, struct fuse_session *session)
{
	_cleanup_free_ struct passing *p = arg;
	char id[RULE_ID_MAX + 1];
	uint64_t dir;

	atomic_fetch_sub(&p->fs->known_dropping, 1);
	if (session && find_name(p->fs, p->nodeid, &dir, id) == 0)
		(void)fuse_lowlevel_notify_inval_entry(session, dir, id, strlen(id));
	return false;
}

static void drop(struct fs *fs, uint64_t nodeid)
{
	struct passing *p = malloc(sizeof(*p));

	if (!p)
		return; /* the kernel forgets it some time */
	*p = (struct passing){ .fs = fs, .nodeid = nodeid };
	atomic_fetch_add(&fs->known_dropping, 1);
	if (notify_slowly(fs->notify, drop_step, p) == 0)
		return;
	atomic_fetch_sub(&fs->known_dropping, 1);
	free(p);
}

static void set_listed(struct fs *fs, uint64_t nodeid, bool listed)
{
	struct inode *inode = NULL;

	if (nodeid && !(nodeid & CONTROL_NODE_BIT))
		inode = itable_ref(fs->itable, nodeid);
	if (!inode)
		return;
	if (listed)
		atomic_fetch_or(&inode->flags, INODE_LISTED);
	else
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_LISTED);
	itable_unref(fs->itable, inode);
}

/*
 * STANDING_NONE: it is not listed any more, and its place is free. One that vanished just before that was not
 * listed anew, one that vanishes just after is.
 */
static enum standing settle(struct fs *fs, uint64_t nodeid)
{
	enum standing s = standing_of(fs, nodeid);

	if (s != STANDING_NONE || !nodeid)
		return s;
	set_listed(fs, nodeid, false);
	s = standing_of(fs, nodeid);
	if (s != STANDING_NONE)
		set_listed(fs, nodeid, true);
	return s;
}

/* If the notifier has enough to do, in the next turn. */
static void let_go(struct fs *fs, _Atomic uint64_t *place)
{
	uint64_t nodeid = atomic_load(place);
	enum standing s = settle(fs, nodeid);

	if (s == STANDING_NONE) {
		(void)atomic_compare_exchange_strong(place, &nodeid, 0);
		return;
	}
	if (s == STANDING_BARE && prune_inode(fs, nodeid))
		return;
	if (atomic_load(&fs->known_dropping) < KNOWN_IDS_MAX)
		drop(fs, nodeid);
}

static void list(struct fs *fs, uint64_t nodeid)
{
	uint32_t place = 0; /* of somebody whom it costs little */
	uint64_t old;

	for (int i = 0; i < TRIES; i++) {
		uint32_t at = atomic_fetch_add(&fs->known_next, 1) % KNOWN_IDS_RING;
		enum standing s;

		let_go(fs, &fs->known[(at + KNOWN_IDS_MAX) % KNOWN_IDS_RING]);
		old = atomic_load(&fs->known[at]);
		s = settle(fs, old);
		if (s == STANDING_NONE &&
		    atomic_compare_exchange_strong(&fs->known[at], &old, nodeid))
			return;
		if (i == 0 || s == STANDING_OVER)
			place = at;
	}
	old = atomic_exchange(&fs->known[place], nodeid);
	set_listed(fs, old, false);
	drop(fs, old);
}

void known_ids_add(struct fs *fs, struct inode *inode)
{
	if (!(atomic_fetch_or(&inode->flags, INODE_LISTED) & INODE_LISTED))
		list(fs, itable_nodeid(fs->itable, inode));
}

void known_ids_add_control(struct fs *fs, uint64_t nodeid)
{
	list(fs, nodeid);
}

void known_ids_vanished(struct fs *fs, struct inode *inode)
{
	atomic_fetch_or(&inode->flags, INODE_ASKED);
	known_ids_add(fs, inode);
}

/* Nobody is let go yet: what is overwritten here is listed again when it is looked up. */
static void put(struct fs *fs, uint64_t nodeid)
{
	uint32_t at = atomic_fetch_add(&fs->known_next, 1) % KNOWN_IDS_RING;

	set_listed(fs, atomic_exchange(&fs->known[at], nodeid), false);
}

void known_ids_adopt(struct fs *fs, struct inode *inode)
{
	if (!is_virtual(fs, inode))
		return;
	atomic_fetch_or(&inode->flags, INODE_LISTED);
	put(fs, itable_nodeid(fs->itable, inode));
}

void known_ids_adopt_control(void *arg, uint64_t nodeid)
{
	put(arg, nodeid);
}
