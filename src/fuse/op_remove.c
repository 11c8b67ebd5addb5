/* SPDX-License-Identifier: MIT */
/*
 * Names that go: unlink and rmdir. An inode whose last name goes while the kernel still knows it keeps an
 * O_PATH descriptor, so that fstat and the like go on working for those who have it.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuse/reply.h"
#include "fuse/target.h"
#include "fuse/victim.h"
#include "util/cleanup.h"

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct victim v = VICTIM_NONE;
	struct target t;
	int r;

	fs_count(fs, FS_OP_unlink);
	if (is_control(parent)) {
		reply_err(req, -EPERM);
		return;
	}
	r = target_enter(fs, req, parent, name, 0, &t);
	if (r == 0) {
		r = victim_find(t.ref.fd, name, &v);
		if (r == 0)
			r = unlinkat(t.ref.fd, name, 0) < 0 ? -errno : 0;
		if (r == 0)
			victim_gone(fs, &t, name, &v);
		victim_done(&v);
		target_leave(fs, &t);
	}
	reply_err(req, r);
}

/* The directory of a virtual execution is not there to be removed, and is empty: fine. */
static int remove_dir(struct fs *fs, struct target *t, const char *name, struct victim *v)
{
	int r = victim_find(t->ref.fd, name, v);

	if (r == -ENOENT && t->dir->place == PLACE_ROOT && exec_table_config(fs->execs)->autodir &&
	    rule_is_n8n_id(name)) {
		node_detach(fs, name);
		return 0;
	}
	if (r == 0)
		r = unlinkat(t->ref.fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
	if (r == 0)
		victim_gone(fs, t, name, v);
	return r;
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct victim v = VICTIM_NONE;
	struct target t;
	int r;

	fs_count(fs, FS_OP_rmdir);
	if (is_control(parent)) {
		reply_err(req, -EPERM);
		return;
	}
	r = target_enter(fs, req, parent, name, TARGET_DIR, &t);
	if (r == 0) {
		r = remove_dir(fs, &t, name, &v);
		victim_done(&v);
		target_leave(fs, &t);
	}
	reply_err(req, r);
}
