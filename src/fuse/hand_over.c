/* SPDX-License-Identifier: MIT */
/*
 * Handing over.
 */
#include "fuse/hand_over.h"

#include <sys/stat.h>

#include "exec/recover.h"
#include "fuse/node_exec.h"
#include "store/walk.h"
#include "util/log.h"

struct handover {
	struct fs *fs;
	struct execution *from;
	struct execution *to;
	enum place place;
	uint64_t number;
	bool own_lifetimes; /* files begin or cease to expire one by one */
};

/* The inode of a file or directory below, if the kernel knows it: with its opens, and the size it was charged. */
static bool hand_over_inode(const struct handover *h, struct inode *inode)
{
	if (h->place == PLACE_N8N || h->place == PLACE_N8N_EXECUTIONS)
		return false; /* there it depends on its name: node_exec() finds out */
	node_set_exec(h->fs, inode, exec_ref(h->to), h->place);
	return true;
}

static void hand_over_row(const struct handover *h, const struct walk_entry *w, struct inode *inode)
{
	struct ledger_file row;

	if (!h->own_lifetimes) {
		ledger_file_move(h->fs->ledger, w->st->st_ino, h->number);
		return;
	}
	recover_describe_file(h->fs->ledger, w, h->number, h->place, &row);
	ledger_file_put(h->fs->ledger, &row);
	if (inode && row.own_lifetime)
		atomic_fetch_or(&inode->flags, INODE_TIMED);
	else if (inode)
		atomic_fetch_and(&inode->flags, ~(uint32_t)INODE_TIMED);
}

static int hand_over_entry(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct handover *h = arg;
	struct inode *inode = itable_peek(h->fs->itable, w->st->st_ino, w->handle);

	(void)ret_tag;
	if (!(inode && hand_over_inode(h, inode)) && S_ISREG(w->st->st_mode)) {
		exec_account(h->from, -1, -(int64_t)w->st->st_size);
		exec_account(h->to, 1, (int64_t)w->st->st_size);
	}
	if (S_ISREG(w->st->st_mode))
		hand_over_row(h, w, inode);
	if (inode)
		itable_unref(h->fs->itable, inode);
	return 0;
}

void hand_over_directory(struct fs *fs, const struct handle *dir, const struct target *from,
			 const struct target *to)
{
	struct handover h = {
		.fs = fs,
		.from = from->exec,
		.to = to->exec,
		.place = to->place,
		.number = exec_number(to->exec),
		.own_lifetimes = (from->place == PLACE_OTHER) != (to->place == PLACE_OTHER),
	};
	int r;

	atomic_fetch_add(&fs->exec_epoch, 1);
	r = walk(fs->store->fd, dir, 0, hand_over_entry, &h);
	if (r < 0)
		log_warning("op=rename execution=%s error=%s; its sums are not exact, ignoring",
			    h.to->id, log_errname(r));
	atomic_store(&h.from->recount, true);
	atomic_store(&h.to->recount, true);
}
