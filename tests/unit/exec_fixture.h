/* SPDX-License-Identifier: MIT */
/*
 * A store, its trash, a ledger and the table of executions, in a new directory for each test of src/exec.
 */
#ifndef TEST_EXEC_FIXTURE_H
#define TEST_EXEC_FIXTURE_H

#include <pthread.h>

#include "exec/execution.h"
#include "scratch.h"
#include "store/mark.h"

#define TTL_NS (3600 * NS_PER_S)

static struct {
	struct store store;
	struct trash *trash;
	struct ledger *ledger;
	struct ledger_open_result opened;
	struct exec_table *execs;
	struct exec_config config;
	struct lock lock;   /* of `gone` */
	char gone[16][256]; /* the upcalls' names */
	_Atomic int ngone;
	_Atomic int ngoing;
	_Atomic uint32_t last_going;
} fix;

static const struct ledger_owner alice = { .uid = 1000, .gid = 100, .pid = 77, .comm = "node" };

/* A count of those that are going and not yet gone, and what each was given. */
static inline uint32_t on_going(void *ctx, const char *name)
{
	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_ptr_nonnull(name);
	fix.ngoing++;
	return ++fix.last_going;
}

static inline void on_stays(void *ctx, uint32_t going)
{
	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_uint_le(going, fix.last_going);
	lock_assert_none();
	fix.ngoing--;
}

static inline void on_gone(void *ctx, struct execution *e, const char *name, uint32_t going)
{
	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_int_eq(atomic_load(&e->state), EXEC_RELEASED);
	lock_assert_none();
	ck_assert_uint_gt(going, 0);
	ck_assert_uint_le(going, fix.last_going);
	fix.ngoing--;
	LOCK_SCOPE(&fix.lock);
	if (fix.ngone < (int)ARRAY_SIZE(fix.gone))
		(void)snprintf(fix.gone[fix.ngone], sizeof(fix.gone[0]), "%s", name);
	fix.ngone++;
}

static inline bool was_gone(const char *name)
{
	for (int i = 0; i < fix.ngone && i < (int)ARRAY_SIZE(fix.gone); i++) {
		if (strcmp(fix.gone[i], name) == 0)
			return true;
	}
	return false;
}

static inline void start_layers(void)
{
	struct exec_upcalls up = {
		.ctx = &fix, .going = on_going, .gone = on_gone, .stays = on_stays
	};
	struct store_error error;
	char path[128];

	ck_assert_msg(store_open(scratch.path, &fix.store, &error) == 0, "%s", error.text);
	(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
	ck_assert_int_eq(ledger_open(path, NULL, &fix.ledger, &fix.opened), 0);
	ck_assert_int_eq(trash_new(fix.store.trash_fd, &fix.trash), 0);
	ck_assert_int_eq(trash_start(fix.trash), 0);
	ck_assert_int_eq(exec_table_new(&fix.store, fix.trash, fix.ledger, &fix.config,
					fix.opened.next_number, &fix.execs),
			 0);
	exec_table_set_upcalls(fix.execs, &up);
}

static inline void stop_layers(void)
{
	exec_table_free(fix.execs);
	trash_free(fix.trash);
	ledger_free(fix.ledger);
	store_close(&fix.store);
}

static inline void exec_setup(void)
{
	scratch_setup();
	memset(&fix, 0, sizeof(fix));
	fix.config = (struct exec_config){ .ttl_ns = TTL_NS, .autodir = true, .dir_mode = 01777 };
	lock_init(&fix.lock, LOCK_NOTIFY);
	start_layers();
}

static inline void exec_teardown(void)
{
	stop_layers();
	lock_done(&fix.lock);
	scratch_teardown();
}

/* The execution, with its directory made; the caller drops the reference. */
static inline struct execution *with_dir(const char *id)
{
	struct execution *e = exec_get(fix.execs, id, LIFETIME_TTL);
	struct handle dir;
	bool made;

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &dir, &made), 0);
	return e;
}

static inline void add_flat(struct execution *e, const char *name)
{
	add_file(fix.store.tree_fd, name, "x");
	ck_assert_int_eq(exec_flat_add(fix.execs, e, name, &alice), 0);
}

static inline int release_now(struct execution *e)
{
	struct exec_release_args args = { .reason = LEDGER_RELEASED, .by = alice };

	return exec_release(fix.execs, e, &args);
}

static inline enum exec_state state_of(struct execution *e)
{
	return (enum exec_state)atomic_load(&e->state);
}

static inline int copy_release(void *arg, const struct ledger_release *r)
{
	*(struct ledger_release *)arg = *r;
	return 1; /* the newest is enough */
}

/* The newest release recorded under this ID. */
static inline struct ledger_release last_release(const char *id)
{
	struct ledger_release r = { .reason = LEDGER_REASON_MAX_ };

	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ck_assert_int_eq(ledger_each_release(fix.ledger, id, 1, copy_release, &r), 1);
	return r;
}

#endif
