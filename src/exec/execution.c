/* SPDX-License-Identifier: MIT */
/*
 * Execution objects: states, activity and counters. The table that has them by ID is in exec_table.c; names are in
 * names.c, with what is set on them by hand; the end is in release.c.
 */
#include "exec/execution.h"

#include <errno.h>
#include <string.h>

#include "exec/exec_table.h"
#include "exec/limit.h"
#include "util/cleanup.h"
#include "util/clock.h"

int64_t exec_now_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t exec_mono_to_real_ns(int64_t mono_ns)
{
	return mono_ns + clock_real_ns() - exec_now_mono_ns();
}

int64_t exec_activity_ns(struct exec_table *t, struct execution *e)
{
	return ledger_base_ns(t->ledger) + atomic_load(&e->activity_mono_ns);
}

uint64_t exec_auto_ino(const char *id)
{
	return EXEC_INO_BASE |
	       (exec_hash(id) & (EXEC_INO_BASE / 2 - 1)); /* the upper half: control nodes */
}

void exec_touch(struct execution *e)
{
	atomic_store_explicit(&e->activity_mono_ns, exec_now_mono_ns(), memory_order_relaxed);
	atomic_fetch_add(&e->events, 1);
}

/* Whether a newcomer has to wait. */
static bool is_closed(int state, bool nested)
{
	return state == EXEC_MOVING || (state == EXEC_RELEASING && !nested);
}

static void wait_decided(struct execution *e, bool nested)
{
	LOCK_SCOPE(&e->lock);
	while (is_closed(atomic_load(&e->state), nested))
		lock_wait(&e->lock, &e->decided);
}

/*
 * Against exec_release(): this side counts itself busy and then reads the state, the other sets the state
 * and then reads the count; both sequentially consistent, so at least one of them sees the other.
 */
static int enter(struct execution *e, bool nested)
{
	for (;;) {
		int state;

		atomic_fetch_add(&e->busy, 1);
		state = atomic_load(&e->state); /* once: MOVING may become RELEASED at any moment */
		if (state == EXEC_RELEASED) {
			exec_leave(e);
			return -ESTALE;
		}
		if (!is_closed(state, nested)) {
			exec_touch(e);
			return 0;
		}
		exec_leave(e);
		wait_decided(e, nested);
	}
}

int exec_enter(struct execution *e)
{
	return enter(e, false);
}

int exec_enter_nested(struct execution *e)
{
	return enter(e, true);
}

void exec_leave(struct execution *e)
{
	int state;

	if (atomic_fetch_sub(&e->busy, 1) > 1)
		return;
	state = atomic_load(&e->state);
	if (state == EXEC_RELEASING || state == EXEC_MOVING) {
		LOCK_SCOPE(&e->lock);
		(void)pthread_cond_broadcast(&e->idle);
	}
}

bool exec_close_locked(struct execution *e)
{
	atomic_store(&e->state, EXEC_MOVING);
	return atomic_load(&e->busy) == 0;
}

void exec_decide_locked(struct execution *e, enum exec_state state)
{
	atomic_store(&e->state, state);
	(void)pthread_cond_broadcast(&e->decided);
}

void exec_opened(struct execution *e)
{
	atomic_fetch_add(&e->open, 1);
	exec_touch(e);
}

void exec_closed(struct execution *e)
{
	exec_touch(e);
	atomic_fetch_sub(&e->open, 1);
}

void exec_account(struct execution *e, int64_t files, int64_t bytes)
{
	atomic_fetch_add(&e->files, (uint64_t)files);
	if (size_sum_add(&e->bytes, bytes)) /* how much it is is known to the rows only */
		atomic_store(&e->recount, true);
}

void exec_correct_bytes(struct execution *e, int64_t before, uint64_t bytes)
{
	int64_t more;

	if (bytes == INT64_MAX || before == INT64_MAX || before == INT64_MIN ||
	    __builtin_sub_overflow((int64_t)bytes, before, &more))
		size_sum_set(&e->bytes, (int64_t)bytes);
	else
		(void)!size_sum_add(&e->bytes, more);
}

uint64_t exec_number(struct execution *e)
{
	LOCK_SCOPE(&e->lock);
	return e->number;
}

bool exec_is_others(struct execution *e, uid_t uid)
{
	LOCK_SCOPE(&e->lock);
	return e->number && e->owner.uid != uid && atomic_load(&e->state) != EXEC_RELEASED;
}

void exec_save_locked(struct exec_table *t, struct execution *e)
{
	struct ledger_execution row = {
		.number = e->number,
		.owner = e->owner,
		.created_real_ns = e->created_real_ns,
		.activity_ns = exec_activity_ns(t, e),
		.ttl_ns = e->ttl_ns,
		.pinned = e->pinned,
	};
	char *end;

	end = stpcpy(row.id, e->lifetime == LIFETIME_EXTERNAL ? EXEC_ROW_EXTERNAL : "");
	(void)memccpy(end, e->id, '\0',
		      sizeof(row.id) - (size_t)(end - row.id)); /* fits: RULE_EXTERNAL_MAX */
	atomic_store(&e->saved_mono_ns, atomic_load(&e->activity_mono_ns));
	atomic_store(&e->due_mono_ns, 0); /* lifetimes change only before this is written */
	ledger_execution_put(t->ledger, &row);
}

void exec_activate_locked(struct exec_table *t, struct execution *e, const struct ledger_owner *by)
{
	if (atomic_load(&e->state) != EXEC_VIRTUAL)
		return;
	e->number = atomic_fetch_add(&t->next_number, 1);
	e->owner = *by;
	e->created_real_ns = clock_real_ns();
	e->retry_mono_ns = 0;
	atomic_store(&e->activity_mono_ns, exec_now_mono_ns());
	atomic_store(&e->state, EXEC_ACTIVE);
	atomic_fetch_add(&t->active, 1);
	exec_save_locked(t, e);
}

void exec_activate(struct exec_table *t, struct execution *e, const struct ledger_owner *by)
{
	if (atomic_load(&e->state) != EXEC_VIRTUAL)
		return;
	LOCK_SCOPE(&e->lock);
	exec_activate_locked(t, e, by);
}

void exec_restore(struct exec_table *t, struct execution *e, const struct ledger_execution *row)
{
	int64_t mono;

	LOCK_SCOPE(&e->lock);
	if (atomic_load(&e->state) != EXEC_VIRTUAL)
		return;
	mono = row->activity_ns - ledger_base_ns(t->ledger);
	e->number = row->number;
	e->owner = row->owner;
	e->created_real_ns = row->created_real_ns;
	mono = MIN_OF(mono, exec_now_mono_ns()); /* not in the future, whoever wrote it */
	atomic_store(&e->saved_mono_ns, mono);
	atomic_store(&e->activity_mono_ns, mono);
	atomic_store(&e->due_mono_ns, 0);
	atomic_store(&e->state, EXEC_ACTIVE);
	atomic_fetch_add(&t->active, 1);
}

void exec_restore_marks(struct exec_table *t, struct execution *e, int64_t ttl_ns, bool pinned,
			bool save)
{
	LOCK_SCOPE(&e->lock);
	e->ttl_ns = ttl_ns;
	e->pinned = pinned;
	atomic_store(&e->due_mono_ns, 0);
	if (!save)
		return;
	exec_touch(e); /* they were set after what the row knows of: its time begins now */
	exec_save_locked(t, e);
}

void exec_describe_locked(struct exec_table *t, struct execution *e, struct ledger_release *ret)
{
	*ret = (struct ledger_release){
		.number = e->number,
		.owner = e->owner,
		.created_real_ns = e->created_real_ns,
		.activity_real_ns = exec_mono_to_real_ns(atomic_load(&e->activity_mono_ns)),
		.released_real_ns = clock_ns(CLOCK_REALTIME),
		.ttl_ns = e->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(t) : e->ttl_ns,
		.bytes = (uint64_t)MAX_OF(size_sum_get(&e->bytes), INT64_C(0)),
		.files = (uint64_t)MAX_OF((int64_t)atomic_load(&e->files), INT64_C(0)),
	};
	memcpy(ret->id, e->id, sizeof(ret->id));
}

void exec_deactivate_locked(struct exec_table *t, struct execution *e, enum ledger_reason reason)
{
	struct ledger_release r;

	if (atomic_load(&e->state) != EXEC_ACTIVE || e->has_dir || e->flats.n > 0 ||
	    e->lifetime == LIFETIME_FILES)
		return;
	if (e->lifetime == LIFETIME_EXTERNAL && atomic_load(&e->files) > 0)
		return;
	exec_describe_locked(t, e, &r);
	r.reason = reason;
	ledger_release(t->ledger, &r);
	e->number = 0;
	e->ttl_ns = LEDGER_TTL_DEFAULT;
	e->pinned = false;
	/* What has a name elsewhere, or is just being made, is accounted for here until that ends. */
	if ((int64_t)atomic_load(&e->files) <= 0) {
		size_sum_set(&e->bytes, 0);
		atomic_store(&e->files, 0);
	}
	atomic_store(&e->state, EXEC_VIRTUAL);
	atomic_fetch_sub(&t->active, 1);
}

void exec_info(struct exec_table *t, struct execution *e, struct exec_info *ret)
{
	LOCK_SCOPE(&e->lock);
	*ret = (struct exec_info){
		.state = (enum exec_state)atomic_load(&e->state),
		.lifetime = e->lifetime,
		.number = e->number,
		.owner = e->owner,
		.created_real_ns = e->created_real_ns,
		.activity_real_ns = exec_mono_to_real_ns(atomic_load(&e->activity_mono_ns)),
		.ttl_ns = e->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(t) : e->ttl_ns,
		.expires_real_ns = INT64_MAX,
		.pinned = e->pinned,
		.bytes = (uint64_t)MAX_OF(size_sum_get(&e->bytes), INT64_C(0)),
		.files = (uint64_t)MAX_OF((int64_t)atomic_load(&e->files), INT64_C(0)),
		.limits = exec_limits_of(t, e),
		.open = atomic_load(&e->open),
	};
	if (e->lifetime == LIFETIME_EXTERNAL)
		ret->ttl_ns = LEDGER_TTL_NEVER;
	if (!e->pinned && e->lifetime == LIFETIME_TTL && ret->ttl_ns != LEDGER_TTL_NEVER)
		ret->expires_real_ns = ret->activity_real_ns + ret->ttl_ns;
	memcpy(ret->id, e->id, sizeof(ret->id));
}

int exec_stubs(struct exec_table *t, struct execution *e, struct ledger_stubs *ret)
{
	uint64_t number = exec_number(e);
	int r = number ? ledger_sync(t->ledger) : 0;

	*ret = (struct ledger_stubs){ 0 };
	return r == 0 && number ? ledger_stub_usage(t->ledger, number, ret) : r;
}
