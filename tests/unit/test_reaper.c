/* SPDX-License-Identifier: MIT */
/*
 * The reaper takes what is over, soon, and nothing that is in use, pinned or young.
 *
 * waits
 */
#include "exec/reaper.h"

#include <signal.h>
#include <sys/mman.h>

#include "exec_fixture.h"

/* Time-to-live of these tests: over when the reaper looks first. */
#define SHORT_NS NS_PER_MS

static struct reaper *reaper;
static _Atomic int expired_files;
static _Atomic int expire_result;

static int on_remove(void *ctx, const struct reaper_doomed *f)
{
	struct handle expected;

	lock_assert_none();
	ck_assert_ptr_eq(ctx, &fix);
	ck_assert_int_eq(handle_at(fix.store.tree_fd, "stray", &expected), 0);
	ck_assert(handle_equal(&f->handle, &expected));
	ck_assert_uint_eq(f->ino, ino_of(fix.store.tree_fd, "stray"));
	ck_assert_int_gt(f->activity_ns, 0);
	ck_assert_int_eq(f->ttl_ns, LEDGER_TTL_DEFAULT);
	ck_assert_int_eq(f->reason, LEDGER_EXPIRED);
	atomic_fetch_add(&expired_files, 1);
	if (expire_result == 0)
		ledger_file_gone(fix.ledger, f->ino);
	return expire_result;
}

static void setup(void)
{
	(void)signal(SIGIO, SIG_IGN);
	exec_setup();
	reaper = NULL;
	expired_files = expire_result = 0;
}

static void teardown(void)
{
	reaper_free(reaper);
	exec_teardown();
}

static void on_vanish(void *ctx, struct execution *e)
{
	(void)ctx;
	(void)exec_vanish(fix.execs, e);
}

static void start_reaper(void)
{
	struct reaper_upcalls up = { .ctx = &fix, .remove_file = on_remove, .vanish = on_vanish };
	struct room_marks marks = { 0 };

	ck_assert_int_eq(reaper_new(fix.execs, &fix.store, fix.ledger, &marks, &reaper), 0);
	reaper_full(reaper);
	reaper_grown(reaper, 1);
	ck_assert_int_eq(reaper_start(reaper, &up), 0);
}

/* The reaper has looked at everything once more: one pass may be under way, another one begins after this. */
static void wait_for_a_look(void)
{
	struct reaper_counts n;
	uint64_t before;

	reaper_count(reaper, &n);
	before = n.passes;
	EVENTUALLY((reaper_count(reaper, &n), n.passes >= before + 2));
}

static struct execution *with_file(const char *id)
{
	struct execution *e = with_dir(id);
	char name[64];
	bool made;

	(void)snprintf(name, sizeof(name), "%s/f", id);
	add_file(fix.store.tree_fd, name, "hello");
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, SHORT_NS, &made), 0);
	return e;
}

START_TEST(what_is_over_goes_and_what_is_not_stays)
{
	struct execution *old = with_file("1");
	struct execution *young = with_dir("2");
	bool made;

	add_flat(old, "1_x");
	start_reaper();
	EVENTUALLY(state_of(old) == EXEC_RELEASED);
	ck_assert(!exists(fix.store.tree_fd, "1") && !exists(fix.store.tree_fd, "1_x"));
	EVENTUALLY(was_gone("1") && was_gone("1_x"));
	ck_assert_int_eq(last_release("1").reason, LEDGER_EXPIRED);
	wait_for_a_look();
	ck_assert_int_eq(state_of(young), EXEC_ACTIVE);
	ck_assert(exists(fix.store.tree_fd, "2"));

	/* Not due for long by what was known when it was looked at: */
	ck_assert_int_eq(exec_set_ttl(fix.execs, young, SHORT_NS, &made), 0);
	EVENTUALLY(state_of(young) == EXEC_RELEASED);
	exec_unref(fix.execs, old);
	exec_unref(fix.execs, young);
}
END_TEST

START_TEST(pinned_and_eternal_executions_stay)
{
	struct execution *pinned = with_file("1");
	struct execution *eternal = with_file("2");
	struct execution *external = exec_get(fix.execs, "n8n", LIFETIME_EXTERNAL);
	bool made;

	exec_activate(fix.execs, external, &alice);
	ck_assert_int_eq(exec_set_pinned(fix.execs, pinned, true, &made), 0);
	ck_assert_int_eq(exec_set_ttl(fix.execs, eternal, LEDGER_TTL_NEVER, &made), 0);
	start_reaper();
	wait_for_a_look();
	ck_assert_int_eq(state_of(pinned), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(eternal), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(external), EXEC_ACTIVE);
	ck_assert_int_eq(exec_set_pinned(fix.execs, pinned, false, &made), 0);
	EVENTUALLY(state_of(pinned) == EXEC_RELEASED);
	exec_unref(fix.execs, pinned);
	exec_unref(fix.execs, eternal);
	exec_unref(fix.execs, external);
}
END_TEST

START_TEST(counted_opens_and_operations_keep_it)
{
	struct execution *open = with_file("1");
	struct execution *busy = with_file("2");

	exec_opened(open);
	ck_assert_int_eq(exec_enter(busy), 0);
	start_reaper();
	wait_for_a_look();
	ck_assert_int_eq(state_of(open), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(busy), EXEC_ACTIVE);
	exec_closed(open);
	exec_leave(busy);
	EVENTUALLY(state_of(open) == EXEC_RELEASED);
	EVENTUALLY(state_of(busy) == EXEC_RELEASED);
	exec_unref(fix.execs, open);
	exec_unref(fix.execs, busy);
}
END_TEST

/* Open or mapped without this process's knowledge, deep in the tree and in a flat file. */
START_TEST(what_the_kernel_knows_in_use_stays)
{
	struct execution *mapped = with_file("1");
	struct execution *flat = exec_get(fix.execs, "2", LIFETIME_TTL);
	_cleanup_close_ int fd = -1;
	void *map;
	bool made;

	ck_assert_int_eq(mkdirat(fix.store.tree_fd, "1/d", 0700), 0);
	fd = make_file(fix.store.tree_fd, "1/d/deep", "hello");
	map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	fd = safe_close(fd);
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "2_%d", i);
		add_flat(flat, name);
	}
	ck_assert_int_eq(exec_set_ttl(fix.execs, flat, SHORT_NS, &made), 0);
	fd = openat(fix.store.tree_fd, "2_13", O_RDONLY | O_CLOEXEC);
	start_reaper();
	wait_for_a_look();
	ck_assert_int_eq(state_of(mapped), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(flat), EXEC_ACTIVE);
	ck_assert_int_eq(munmap(map, 5), 0);
	fd = safe_close(fd);
	EVENTUALLY(state_of(mapped) == EXEC_RELEASED); /* looked at again after some seconds */
	EVENTUALLY(state_of(flat) == EXEC_RELEASED);
	exec_unref(fix.execs, mapped);
	exec_unref(fix.execs, flat);
}
END_TEST

static int one_activity(void *arg, const struct ledger_execution *e)
{
	*(int64_t *)arg = e->activity_ns;
	return 1;
}

static int64_t ledger_activity(void)
{
	int64_t at = 0;

	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ck_assert_int_eq(ledger_each_execution(fix.ledger, one_activity, &at), 1);
	return at;
}

START_TEST(activity_is_written_down)
{
	struct execution *e = with_dir("1");
	int64_t before = ledger_activity();

	atomic_store(&e->activity_mono_ns, e->saved_mono_ns + 2 * NS_PER_S);
	start_reaper();
	EVENTUALLY(ledger_activity() >= before + NS_PER_S);
	exec_unref(fix.execs, e);
}
END_TEST

static void add_stray(void)
{
	struct ledger_file f = {
		.execution = 1000, /* of none of the others */
		.own_lifetime = true,
		.ttl_ns = LEDGER_TTL_DEFAULT,
	};
	struct handle h;

	add_file(fix.store.tree_fd, "stray", "x");
	ck_assert_int_eq(handle_at(fix.store.tree_fd, "stray", &h), 0);
	f.ino = ino_of(fix.store.tree_fd, "stray");
	f.activity_ns = clock_real_ns() - 2 * TTL_NS;
	f.handle_len = h.len;
	f.handle_type = h.type;
	memcpy(f.handle, h.bytes, h.len);
	ledger_file_put(fix.ledger, &f);
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
}

START_TEST(vacated_directories_vanish_after_a_while)
{
	struct execution *empty = with_dir("5");
	struct execution *full = with_dir("6");
	struct execution *left_alone = with_dir("7");

	add_file(fix.store.tree_fd, "6/f", "x");
	exec_vacate(empty);
	exec_vacate(full); /* nobody has counted that file: looking tells */
	ck_assert_int_eq(state_of(empty), EXEC_ACTIVE);
	start_reaper();
	EVENTUALLY(state_of(empty) == EXEC_VIRTUAL);
	EVENTUALLY(!atomic_load(&full->vacant));
	ck_assert_int_eq(state_of(full), EXEC_ACTIVE);
	ck_assert_int_eq(state_of(left_alone), EXEC_ACTIVE);
	exec_unref(fix.execs, empty);
	exec_unref(fix.execs, full);
	exec_unref(fix.execs, left_alone);
}
END_TEST

START_TEST(vacated_directories_vanish_at_the_end)
{
	struct execution *empty = with_dir("5");
	struct execution *full = with_dir("6");
	struct execution *left_alone = with_dir("7");

	add_file(fix.store.tree_fd, "6/f", "x");
	exec_vacate(empty);
	exec_vacate(full);
	start_reaper();
	reaper_free(reaper);
	reaper = NULL;
	ck_assert(!exists(fix.store.tree_fd, "5"));
	ck_assert(exists(fix.store.tree_fd, "6/f"));
	ck_assert(exists(fix.store.tree_fd, "7"));
	exec_unref(fix.execs, empty);
	exec_unref(fix.execs, full);
	exec_unref(fix.execs, left_alone);
}
END_TEST

START_TEST(files_of_their_own_lifetime_are_named_once)
{
	add_stray();
	start_reaper();
	EVENTUALLY(expired_files == 1);
	wait_for_a_look();
	ck_assert_int_eq(expired_files, 1);
}
END_TEST

/* Asked once, then not before another time-to-live is over. */
static void assert_asked_once(int result)
{
	expire_result = result;
	add_stray();
	start_reaper();
	EVENTUALLY(expired_files >= 1);
	wait_for_a_look();
	ck_assert_int_eq(expired_files, 1);
}

START_TEST(file_in_use_waits_for_its_next_time)
{
	assert_asked_once(-EBUSY);
}
END_TEST

START_TEST(file_that_resists_waits_for_its_next_time)
{
	assert_asked_once(-EPERM);
}
END_TEST

START_TEST(end_does_not_wait_for_the_next_look)
{
	int64_t start = clock_mono_ns();

	for (int i = 0; i < 20; i++) {
		start_reaper();
		reaper_free(reaper);
		reaper = NULL;
	}
	reaper_free(NULL);
	ck_assert_int_lt(clock_mono_ns() - start, 20 * REAPER_TICK_NS);
}
END_TEST

/* Also for executions that have been looked at with the old one, and not for those with one of their own. */
START_TEST(another_time_to_live_counts_at_once)
{
	struct exec_limits none = { 0 };
	struct execution *e = with_dir("1");
	struct execution *own = with_dir("2");
	bool made;

	ck_assert_int_eq(exec_set_ttl(fix.execs, own, fix.config.ttl_ns, &made), 0);
	start_reaper();
	wait_for_a_look();
	ck_assert_int_gt(atomic_load(&e->due_mono_ns), 0);
	ck_assert_int_eq(exec_tune(fix.execs, SHORT_NS, &none), 0);
	EVENTUALLY(state_of(e) == EXEC_RELEASED);
	wait_for_a_look();
	ck_assert_int_eq(state_of(own), EXEC_ACTIVE);
	exec_unref(fix.execs, e);
	exec_unref(fix.execs, own);
}
END_TEST

/* The scratch directory's filesystem is fuller than nearly empty, whatever it is. */
START_TEST(another_high_mark_counts_at_once)
{
	struct room_marks marks = { .high.percent = 0.001, .low.percent = 0.0005 };
	struct execution *e = with_dir("1");
	struct reaper_counts n;

	add_file(fix.store.tree_fd, "1/f", "hello");
	start_reaper();
	wait_for_a_look();
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	reaper_set_marks(reaper, &marks);
	EVENTUALLY(state_of(e) == EXEC_RELEASED);
	ck_assert_int_eq(last_release("1").reason, LEDGER_EVICTED);
	reaper_count(reaper, &n);
	ck_assert_uint_gt(n.evicted_executions, 0);
	exec_unref(fix.execs, e);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_over_goes_and_what_is_not_stays,
		pinned_and_eternal_executions_stay,
		counted_opens_and_operations_keep_it,
		what_the_kernel_knows_in_use_stays,
		activity_is_written_down,
		vacated_directories_vanish_after_a_while,
		vacated_directories_vanish_at_the_end,
		files_of_their_own_lifetime_are_named_once,
		file_in_use_waits_for_its_next_time,
		file_that_resists_waits_for_its_next_time,
		end_does_not_wait_for_the_next_look,
		another_time_to_live_counts_at_once,
		another_high_mark_counts_at_once,
	};

	return RUN_TESTS("reaper", tests, setup, teardown);
}
