/* SPDX-License-Identifier: MIT */
/*
 * One at a time: the notifier's thread waits for it. The name is answered until that waits no more.
 *
 * The kernel only tries for the lock of the root, which is taken while somebody makes a name there, and answers ESTALE
 * if it has not got it; so it is tried again.
 */
#include "fuse/aside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "baton/interface.h"
#include "fuse/fs.h"
#include "fuse/notify.h"
#include "fuse/refresh.h"
#include "util/cleanup.h"
#include "util/lock.h"
#include "util/log.h"

/* Source: who makes names in the root all the time has its lock half of it. */
#define TRIES 8

struct aside {
	struct fs *fs; /* borrowed */
	uint64_t nodeid;
	struct inode *dir; /* owned reference, while it is looked up */
	char name[32];
};

static void show(struct fs *fs, struct aside *a)
{
	LOCK_SCOPE(&fs->verdict_lock);
	fs->aside = a;
}

bool aside_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret)
{
	LOCK_SCOPE(&fs->verdict_lock);
	if (!fs->aside || strcmp(name, fs->aside->name) != 0)
		return false;
	itable_again(fs->itable, fs->aside->dir);
	*ret = (struct fuse_entry_param){
		.ino = fs->aside->nodeid,
		.attr = { .st_ino = fs->aside->dir->ino, .st_mode = S_IFDIR | 0700, .st_nlink = 2 },
	};
	return true;
}

static int look(struct aside *a)
{
	char path[sizeof(BATON_DIR "/") + sizeof(a->name)];
	int r = -ESTALE;

	(void)snprintf(path, sizeof(path), "%s/%s", BATON_DIR, a->name);
	show(a->fs, a);
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = refresh_look(atomic_load(&a->fs->refresh), path);
	show(a->fs, NULL);
	return r;
}

static void move(void *arg)
{
	_cleanup_free_ struct aside *a = arg;
	struct fs *fs = a->fs;
	uint64_t secret;
	int r;

	a->dir = itable_ref(fs->itable, a->nodeid);
	if (!a->dir)
		return; /* the kernel has forgotten it */
	r = getrandom(&secret, sizeof(secret), GRND_NONBLOCK) == sizeof(secret) ? 0 : -EAGAIN;
	(void)snprintf(a->name, sizeof(a->name), "released-%016" PRIx64, secret);
	if (r == 0)
		r = look(a);
	if (r < 0)
		log_debug("notify name=%s error=%s, ignoring", a->name, log_errname(r));
	itable_unref(fs->itable, a->dir);
	notify_drop(fs->notify, CONTROL_DIR_NODE, a->name);
}

void aside_move(struct fs *fs, uint64_t nodeid)
{
	struct aside *a = atomic_load(&fs->refresh) ? calloc(1, sizeof(*a)) : NULL;

	if (!a)
		return;
	a->fs = fs;
	a->nodeid = nodeid;
	notify_then(fs->notify, move, a);
}
