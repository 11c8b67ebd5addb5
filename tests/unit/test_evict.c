/* SPDX-License-Identifier: MIT */
/*
 * What goes when room is needed, and what stays however full the store is. The marks ask for more than any
 * filesystem has: so all goes that may.
 */
#include "exec/evict.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "exec_fixture.h"

static struct evict *evict;
static int removed_files;

static int on_remove(void *ctx, const struct reaper_doomed *f)
{
	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_int_eq(f->reason, LEDGER_EVICTED);
	removed_files++;
	ledger_file_gone(fix.ledger, f->ino);
	return 0;
}

static const struct reaper_upcalls up = { .ctx = &fix, .remove_file = on_remove };

static void setup(void)
{
	struct room_marks marks = {
		.high = { .free_bytes = UINT64_MAX / 2 },
		.low = { .free_bytes = UINT64_MAX / 2 },
	};

	(void)signal(SIGIO, SIG_IGN);
	exec_setup();
	removed_files = 0;
	ck_assert_int_eq(evict_new(fix.execs, &fix.store, fix.ledger, &marks, &evict), 0);
}

static void teardown(void)
{
	evict_free(evict);
	exec_teardown();
}

static struct execution *with_file(const char *id)
{
	struct execution *e = with_dir(id);
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/f", id);
	add_file(fix.store.tree_fd, name, "hello");
	atomic_store(&e->activity_mono_ns, clock_ns(CLOCK_MONOTONIC_COARSE) - NS_PER_S);
	return e;
}

static struct reaper_counts counts(void)
{
	struct reaper_counts n;

	evict_count(evict, &n);
	return n;
}

START_TEST(idle_executions_go_and_say_why)
{
	struct execution *e = with_file("1");

	add_flat(e, "1_x");
	(void)evict_look(evict, &up, false);
	ck_assert_int_eq(state_of(e), EXEC_RELEASED);
	ck_assert(!exists(fix.store.tree_fd, "1") && !exists(fix.store.tree_fd, "1_x"));
	ck_assert(was_gone("1") && was_gone("1_x"));
	ck_assert_int_eq(last_release("1").reason, LEDGER_EVICTED);
	ck_assert_uint_eq(counts().evicted_executions, 1);
	ck_assert_uint_gt(counts().evicted_bytes, 0);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(what_must_stay_stays)
{
	struct execution *pinned = with_file("1");
	struct execution *open = with_file("2");
	struct execution *mapped = with_file("3");
	struct execution *external = exec_get(fix.execs, "n8n", LIFETIME_EXTERNAL);
	_cleanup_close_ int fd = openat(fix.store.tree_fd, "3/f", O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
	bool made;

	ck_assert_ptr_ne(map, MAP_FAILED);
	fd = safe_close(fd);
	exec_activate(fix.execs, external, &alice);
	ck_assert_int_eq(exec_set_pinned(fix.execs, pinned, true, &made), 0);
	exec_opened(open);
	(void)evict_look(evict, &up, true);
	ck_assert_int_eq(state_of(pinned), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(open), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(mapped), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(external), EXEC_ACTIVE);
	ck_assert_uint_eq(counts().evicted_executions, 0);
	ck_assert_int_eq(munmap(map, 5), 0);
	exec_unref(fix.execs, pinned);
	exec_unref(fix.execs, open);
	exec_unref(fix.execs, mapped);
	exec_unref(fix.execs, external);
}
END_TEST

START_TEST(a_hand_off_under_way_stays)
{
	struct execution *e = with_file("1");

	exec_touch(e);
	(void)evict_look(evict, &up, false);
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	atomic_store(&e->activity_mono_ns, clock_ns(CLOCK_MONOTONIC_COARSE) - NS_PER_S);
	(void)evict_look(evict, &up, false);
	ck_assert_int_eq(state_of(e), EXEC_RELEASED);
	exec_unref(fix.execs, e);
}
END_TEST

static void put_file(struct execution *e, const char *name, uint64_t size_bytes, int64_t ttl_ns)
{
	struct ledger_file f = {
		.execution = exec_number(e),
		.size_bytes = size_bytes,
		.own_lifetime = true,
		.ttl_ns = ttl_ns,
		.activity_ns = clock_real_ns() - NS_PER_S,
	};

	add_file(fix.store.tree_fd, name, "x");
	f.ino = ino_of(fix.store.tree_fd, name);
	ledger_file_put(fix.ledger, &f);
}

/* As many as are looked at in a pass, and idle for longer. */
static void put_many_locks(struct execution *e)
{
	struct ledger_file f = {
		.execution = exec_number(e),
		.own_lifetime = true,
		.ttl_ns = LEDGER_TTL_DEFAULT,
	};

	for (f.ino = UINT64_C(1) << 40; f.ino < (UINT64_C(1) << 40) + 4096; f.ino++)
		ledger_file_put(fix.ledger, &f);
}

START_TEST(files_of_their_own_lifetime_go_too)
{
	struct execution *others = exec_get(fix.execs, RULE_OTHER, LIFETIME_FILES);
	struct execution *e = with_dir("1");

	exec_activate(fix.execs, others, &alice);
	put_file(others, "a", 5, LEDGER_TTL_DEFAULT);
	put_file(others, "b", 5, 3600 * NS_PER_S);
	put_file(others, "never", 5, LEDGER_TTL_NEVER);
	put_file(others, "lock", 0, LEDGER_TTL_DEFAULT);
	put_many_locks(others);
	put_file(e, "1/its-own", 5, NS_PER_S); /* goes with its execution */
	exec_touch(e);
	(void)evict_look(evict, &up, false);
	ck_assert_int_eq(removed_files, 2);
	ck_assert_uint_eq(counts().evicted_files, 2);
	exec_unref(fix.execs, others);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(growth_calls_for_a_look_once)
{
	struct room_marks marks = { .high = { .free_bytes = 1 }, .low = { .free_bytes = 2 } };
	struct evict *ev;

	ck_assert_int_eq(evict_new(fix.execs, &fix.store, fix.ledger, &marks, &ev), 0);
	(void)evict_look(ev, &up, false);
	ck_assert(!evict_grown(ev, 1));
	ck_assert(evict_grown(ev, UINT64_C(1) << 62));
	ck_assert(!evict_grown(ev, 1));
	evict_free(ev);
}
END_TEST

#define BLOB "0123456789abcdef0123456789abcdef-16777216"
#define BLOB_BYTES (UINT64_C(16) << 20)

/* An execution with a file that is a stub. */
static struct execution *with_stub(const char *id)
{
	struct execution *e = with_dir(id);
	struct ledger_file f = { .execution = exec_number(e), .size_bytes = BLOB_BYTES };
	_cleanup_close_ int fd = -1;
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/f", id);
	fd = make_file(fix.store.tree_fd, name, "");
	ck_assert_int_eq(ftruncate(fd, (off_t)BLOB_BYTES), 0);
	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "blob", BLOB, strlen(BLOB), 0), 0);
	f.ino = ino_of(fix.store.tree_fd, name);
	ledger_file_put(fix.ledger, &f);
	ledger_file_shared(fix.ledger, f.ino, BLOB);
	atomic_store(&e->activity_mono_ns, clock_ns(CLOCK_MONOTONIC_COARSE) - NS_PER_S);
	return e;
}

static int collected;

/* When it is called, the ledger knows of no stub any more. */
static void on_collect(void *ctx)
{
	uint64_t refs = 99;

	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_int_eq(ledger_blob_refs(fix.ledger, BLOB, &refs), 0);
	ck_assert_uint_eq(refs, 0);
	collected++;
}

START_TEST(stubs_give_their_part_and_garbage_is_collected)
{
	const struct reaper_upcalls with_collect = { .ctx = &fix,
						     .remove_file = on_remove,
						     .collect = on_collect };
	struct execution *a = with_stub("1");
	struct execution *b = with_stub("2");
	struct execution *plain = with_file("3");

	collected = 0;
	exec_touch(plain);
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	(void)evict_look(evict, &with_collect, false);
	ck_assert_int_eq(state_of(a), EXEC_RELEASED);
	ck_assert_int_eq(state_of(b), EXEC_RELEASED);
	ck_assert_uint_ge(counts().evicted_bytes, BLOB_BYTES); /* the 2nd may be the last by then */
	ck_assert_uint_lt(counts().evicted_bytes, 2 * BLOB_BYTES);
	ck_assert_int_eq(collected, 1);
	atomic_store(&plain->activity_mono_ns, clock_ns(CLOCK_MONOTONIC_COARSE) - NS_PER_S);
	(void)evict_look(evict, &with_collect, false);
	ck_assert_int_eq(state_of(plain), EXEC_RELEASED);
	ck_assert_int_eq(collected, 1);
	exec_unref(fix.execs, a);
	exec_unref(fix.execs, b);
	exec_unref(fix.execs, plain);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		idle_executions_go_and_say_why, what_must_stay_stays,
		a_hand_off_under_way_stays,	files_of_their_own_lifetime_go_too,
		growth_calls_for_a_look_once,	stubs_give_their_part_and_garbage_is_collected,
	};

	return RUN_TESTS("evict", tests, setup, teardown);
}
