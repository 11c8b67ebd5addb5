/* SPDX-License-Identifier: MIT */
/*
 * FUSE_NOTIFY_PRUNE (protocol 7.45, Linux 6.18) names inodes whose unused names the kernel is to drop. It takes no
 * lock of a directory, and goes on to the next if somebody uses one. libfuse has no call for it:
 *
 *     0     4     8        16      20       24      32
 *     | len | code | unique | count | padding | spare | node ids, count of 8 bytes |
 *
 * An older kernel answers EINVAL; then the drop does it all.
 */
#include "fuse/prune.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/aside.h"
#include "fuse/fs.h"
#include "util/cleanup.h"
#include "util/lock.h"
#include "util/log.h"

/* Source: enum fuse_notify_code in linux/fuse.h. */
#define NOTIFY_PRUNE 9

/* With fewer files the kernel is done sooner than we find them. Source: 1000 are dropped in 2 to 5 ms. */
#define PRUNE_MIN 1000

struct prune_message {
	uint32_t len; /* of it all */
	int32_t code;
	uint64_t unique; /* 0: a notification */
	uint32_t count;
	uint32_t padding;
	uint64_t spare;
	uint64_t ids[ITABLE_SCAN_MAX];
};
_Static_assert(offsetof(struct prune_message, ids) == 32, "as drawn above");

struct prune {
	struct fs *fs;	     /* borrowed */
	struct execution *e; /* owned reference */
	uint32_t piece;	     /* of the inode table */
	struct prune_message message;
};

static int send_message(struct fs *fs, struct prune_message *m, struct fuse_session *session)
{
	int r;

	m->len = (uint32_t)(offsetof(struct prune_message, ids) + m->count * sizeof(m->ids[0]));
	m->code = NOTIFY_PRUNE;
	lock_assert_none();
	r = write(fuse_session_fd(session), m, m->len) < 0 ? -errno : 0;
	if (r == -EINVAL) {
		log_debug("notify: kernel lacks prune, going without");
		atomic_store(&fs->no_prune, true);
	}
	return r;
}

/* One chunk of the table with each step: what is urgent waits for a thousand inodes at most. */
static bool prune_step(void *arg, struct fuse_session *session)
{
	struct prune *p = arg;
	struct fs *fs = p->fs;
	bool more = false;
	int r = 0;

	p->message.count = 0;
	if (session && !atomic_load(&fs->no_prune))
		more = itable_scan(fs->itable, p->e, &p->piece, p->message.ids, &p->message.count);
	if (more && p->message.count > 0)
		r = send_message(fs, &p->message, session);
	if (more && r == 0)
		return true;
	exec_unref(fs->execs, p->e);
	free(p);
	return false;
}

bool prune_inode(struct fs *fs, uint64_t nodeid)
{
	struct prune_message m;

	m.count = 1;
	m.unique = m.padding = m.spare = 0;
	m.ids[0] = nodeid;
	if (fs->session && !atomic_load(&fs->no_prune)) /* any other error: it is gone */
		(void)send_message(fs, &m, fs->session);
	return !atomic_load(&fs->no_prune);
}

void prune_released(struct fs *fs, struct execution *e, uint64_t dir)
{
	struct prune *p;

	if (atomic_load(&e->files) < PRUNE_MIN)
		return;
	if (dir)
		aside_move(fs, dir);
	if (atomic_load(&fs->no_prune))
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->fs = fs;
	p->e = exec_ref(e);
	if (notify_slowly(fs->notify, prune_step, p) < 0) {
		exec_unref(fs->execs, e);
		free(p);
	}
}
