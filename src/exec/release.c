/* SPDX-License-Identifier: MIT */
/*
 * The end of an execution: every name at the top of the tree goes to the trash by one rename each, then the
 * ledger and the kernel's cache are told. Who has a file open or mapped reads on.
 */
#include <errno.h>
#include <string.h>

#include "exec/exec_table.h"
#include "exec/execution.h"
#include "util/cleanup.h"

/* Take the execution away from those who would change it. The caller holds e->lock. */
static int begin_locked(struct execution *e, const struct exec_release_args *args)
{
	if (atomic_load(&e->state) != EXEC_ACTIVE)
		return -ESTALE;
	if (args->only_if_idle) {
		if (exec_close_locked(e) && atomic_load(&e->open) == 0 &&
		    atomic_load(&e->events) == args->events)
			return 0;
		exec_decide_locked(e, EXEC_ACTIVE);
		return -EBUSY;
	}
	while (!exec_close_locked(e)) {
		exec_decide_locked(e, EXEC_RELEASING);
		while (atomic_load(&e->busy) > 0)
			lock_wait(&e->lock, &e->idle);
	}
	return 0;
}

/* Move every name. What could be moved stays moved, and is taken off the list. */
static int move_locked(struct exec_table *t, struct execution *e, struct flat **ret_gone,
		       bool *ret_dir_gone)
{
	int r;

	if (e->has_dir) {
		r = trash_take(t->trash, t->store->tree_fd, e->id);
		if (r < 0 && r != -ENOENT)
			return r;
		e->has_dir = false;
		*ret_dir_gone = true;
	}
	while (e->flats.n > 0) {
		const char *name = flats_at(&e->flats, e->flats.n - 1);
		struct flat *f;

		r = trash_take(t->trash, t->store->tree_fd, name);
		if (r < 0 && r != -ENOENT)
			return r;
		f = flats_pop(&e->flats);
		f->next = *ret_gone;
		*ret_gone = f;
	}
	return 0;
}

static void tell(struct exec_table *t, struct execution *e, struct flat *gone, bool dir_gone)
{
	if (dir_gone && t->up.gone)
		t->up.gone(t->up.ctx, e, e->id);
	while (gone) {
		struct flat *next = gone->next;

		if (t->up.gone)
			t->up.gone(t->up.ctx, e, gone->name);
		free(gone);
		gone = next;
	}
}

int exec_release(struct exec_table *t, struct execution *e, const struct exec_release_args *args)
{
	struct flat *gone = NULL;
	struct ledger_release record;
	bool dir_gone = false;
	int r;

	if (e->lifetime != LIFETIME_TTL)
		return -EPERM;
	{
		LOCK_SCOPE(&e->lock);
		r = begin_locked(e, args);
		if (r < 0)
			return r;
		exec_describe_locked(t, e, &record);
		record.reason = args->reason;
		record.by = args->by;
		r = move_locked(t, e, &gone, &dir_gone);
		if (r == 0) {
			ledger_release(t->ledger, &record);
			atomic_fetch_sub(&t->active, 1);
		}
		exec_decide_locked(e, r == 0 ? EXEC_RELEASED : EXEC_ACTIVE);
	}
	if (r == 0)
		exec_table_remove(t, e);
	tell(t, e, gone, dir_gone);
	return r;
}

int exec_trash_inode(struct exec_table *t, int dirfd, const char *name, uint64_t ino)
{
	return trash_take_inode(t->trash, dirfd, name, ino);
}
