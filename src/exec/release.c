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
#include "util/fault.h"

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

/* What has been moved, for the upcalls. */
struct moved {
	bool dir;
	uint32_t dir_going;
	struct flat *flats; /* owned; `at` is what `going` returned */
	uint32_t stays;	    /* what `going` returned for the one that could not be moved */
};

static int move_name(struct exec_table *t, const char *name, struct moved *moved,
		     uint32_t *ret_going)
{
	int r;

	*ret_going = t->up.going ? t->up.going(t->up.ctx, name) : 0;
	r = trash_take(t->trash, t->store->tree_fd, name);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		moved->stays = *ret_going;
	return r;
}

/* Move every name. What could be moved stays moved, and is taken off the list. */
static int move_locked(struct exec_table *t, struct execution *e, struct moved *moved)
{
	int r;

	if (e->has_dir) {
		r = move_name(t, e->id, moved, &moved->dir_going);
		if (r < 0)
			return r;
		e->has_dir = false;
		moved->dir = true;
	}
	while (e->flats.n > 0) {
		const char *name = flats_at(&e->flats, e->flats.n - 1);
		uint32_t going;
		struct flat *f;

		r = move_name(t, name, moved, &going);
		if (r < 0)
			return r;
		f = flats_pop(&e->flats);
		f->at = going;
		f->next = moved->flats;
		moved->flats = f;
	}
	return 0;
}

static void tell(struct exec_table *t, struct execution *e, struct moved *moved)
{
	struct flat *gone = moved->flats;

	if (moved->stays)
		t->up.stays(t->up.ctx, moved->stays);
	if (moved->dir && t->up.gone)
		t->up.gone(t->up.ctx, e, e->id, moved->dir_going);
	while (gone) {
		struct flat *next = gone->next;

		if (t->up.gone)
			t->up.gone(t->up.ctx, e, gone->name, (uint32_t)gone->at);
		free(gone);
		gone = next;
	}
}

int exec_release(struct exec_table *t, struct execution *e, const struct exec_release_args *args)
{
	struct moved moved = { 0 };
	struct ledger_release record;
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
		r = move_locked(t, e, &moved);
		if (r == 0) {
			ledger_release(t->ledger, &record);
			atomic_fetch_sub(&t->active, 1);
		}
		exec_decide_locked(e, r == 0 ? EXEC_RELEASED : EXEC_ACTIVE);
	}
	FAULT_HANG("names-moved");
	if (r == 0)
		exec_table_remove(t, e);
	tell(t, e, &moved);
	return r;
}

int exec_trash_inode(struct exec_table *t, int dirfd, const char *name, uint64_t ino)
{
	return trash_take_inode(t->trash, dirfd, name, ino);
}

int exec_watch(struct exec_table *t, struct trash_watch *w)
{
	return trash_watch(t->trash, w);
}

void exec_unwatch(struct exec_table *t, uint64_t ino)
{
	trash_unwatch(t->trash, ino);
}
