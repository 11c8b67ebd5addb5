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

#include "fuse/node_exec.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/target.h"
#include "fuse/victim.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* If the last process had done it, or all but what follows from it, it has left what the name stood for. */
static int remove_name(struct fs *fs, struct target *t, const char *name, int flags,
		       struct victim *v)
{
	const struct request_change *before = request_again(CHANGE_REMOVE);
	int r = victim_find(t->ref.fd, name, v);

	if (r == -ENOENT && before) {
		if (before->fd >= 0 && victim_was(before->fd, v) == 0)
			victim_gone(fs, t, name, v);
		return 0;
	}
	if (r < 0)
		return r;
	request_changing(&(struct request_change){ .kind = CHANGE_REMOVE, .fd = v->fd });
	FAULT_HANG("removes");
	r = unlinkat(t->ref.fd, name, flags) < 0 ? -errno : 0;
	FAULT_HANG("removed");
	if (r == 0)
		victim_gone(fs, t, name, v);
	request_changed(r, v->fd);
	return r;
}

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
		r = remove_name(fs, &t, name, 0, &v);
		victim_done(&v);
		target_leave(fs, &t);
	}
	FAULT_WAIT("name-gone");
	reply_err(req, r);
}

/* The directory of a virtual execution is not there to be removed, and is empty: fine. */
static int remove_dir(struct fs *fs, struct target *t, const char *name, struct victim *v)
{
	int r = remove_name(fs, t, name, AT_REMOVEDIR, v);

	if (r == -ENOENT && t->dir->place == PLACE_ROOT && exec_table_config(fs->execs)->autodir &&
	    rule_is_n8n_id(name)) {
		node_detach(fs, name);
		return 0;
	}
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
