/* SPDX-License-Identifier: MIT */
/*
 * Executions: references, states, names, marks, and the end, alone and against threads.
 */
#include "exec/execution.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include "exec_fixture.h"

/* ---- references ---- */

START_TEST(object_goes_with_its_last_reference_unless_it_is_real)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
	struct execution *same = exec_get(fix.execs, "5", LIFETIME_TTL);

	ck_assert_ptr_eq(e, same);
	ck_assert_ptr_eq(exec_ref(e), e);
	ck_assert_uint_eq(atomic_load(&e->refs), 3);
	ck_assert_ptr_null(exec_lookup(fix.execs, "5")); /* virtual */
	exec_unref(fix.execs, e);
	exec_unref(fix.execs, e);
	exec_unref(fix.execs, e);
	exec_unref(fix.execs, NULL);

	e = with_dir("6");
	exec_unref(fix.execs, e);
	ck_assert_ptr_eq(exec_lookup(fix.execs, "6"),
			 e); /* an ACTIVE one stays without references */
	exec_unref(fix.execs, e);
	ck_assert_uint_eq(exec_count(fix.execs), 1);
}
END_TEST

static int count_one(void *arg, struct execution *e)
{
	lock_assert_none();
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	return ++*(int *)arg == 3000 ? 77 : 0;
}

static bool is_third(void *arg, struct execution *e)
{
	(void)arg;
	return size_sum_get(&e->bytes) == 3;
}

static int count_third(void *arg, struct execution *e)
{
	ck_assert(is_third(arg, e));
	lock_assert_none();
	++*(int *)arg;
	return 0;
}

START_TEST(thousands_are_found)
{
	struct execution *virtual = exec_get(fix.execs, "virtual", LIFETIME_TTL);
	char id[16];
	int n = 0;

	for (int i = 0; i < 3000; i++) {
		struct execution *e;

		(void)snprintf(id, sizeof(id), "%d", i);
		e = exec_get(fix.execs, id, LIFETIME_TTL);
		exec_activate(fix.execs, e, &alice);
		exec_account(e, 1, i % 3 ? 1 : 3);
		exec_unref(fix.execs, e);
	}
	for (int i = 0; i < 3000; i++) {
		struct execution *e;

		(void)snprintf(id, sizeof(id), "%d", i);
		e = exec_lookup(fix.execs, id);
		ck_assert_ptr_nonnull(e);
		ck_assert_str_eq(e->id, id);
		exec_unref(fix.execs, e);
	}
	ck_assert_int_eq(exec_each(fix.execs, count_one, &n), 77);
	ck_assert_int_eq(n, 3000);
	n = 0;
	ck_assert_int_eq(exec_each_wanted(fix.execs, is_third, count_third, &n), 0);
	ck_assert_int_eq(n, 1000);
	ck_assert_uint_eq(exec_count(fix.execs), 3000);
	exec_unref(fix.execs, virtual);
}
END_TEST

START_TEST(automatic_inode_numbers_are_the_names_and_javascripts)
{
	uint64_t a = exec_auto_ino("4711");

	ck_assert_uint_eq(a, exec_auto_ino("4711"));
	ck_assert_uint_ne(a, exec_auto_ino("4712"));
	ck_assert_uint_ge(a, EXEC_INO_BASE);
	ck_assert_uint_lt(a, EXEC_INO_BASE + EXEC_INO_BASE / 2);
}
END_TEST

/* ---- the directory ---- */

START_TEST(directory_is_made_once_and_marked)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
	struct handle first;
	struct handle second;
	struct stat st;
	uint64_t ino;
	bool made;
	int64_t mark;
	int fd;

	ck_assert_int_eq(exec_dir(e, &first), -ENOENT);
	ck_assert_uint_eq(exec_number(e), 0);
	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &first, &made), 0);
	ck_assert(made);
	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &second, &made), 0);
	ck_assert(!made);
	ck_assert(handle_equal(&first, &second));
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	ck_assert_uint_eq(exec_number(e), fix.opened.next_number);
	ck_assert(exec_dir_is_auto(e, &ino));
	ck_assert_uint_eq(ino, exec_auto_ino("5"));

	ck_assert_int_eq(fstatat(fix.store.tree_fd, "5", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 01777);
	fd = store_open_handle(&fix.store, &first, O_PATH);
	ck_assert_int_eq(mark_get(fd, MARK_AUTO, &mark), 0);
	ck_assert_uint_eq((uint64_t)mark, ino);
	(void)close(fd);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(file_in_the_way_of_the_directory_is_left_alone)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
	struct handle dir;
	bool made;

	add_file(fix.store.tree_fd, "5", "x");
	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &dir, &made), -ENOTDIR);
	ck_assert(exists(fix.store.tree_fd, "5"));
	ck_assert_int_eq(state_of(e), EXEC_VIRTUAL);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(empty_directory_of_ours_vanishes)
{
	struct execution *e = with_dir("5");
	struct handle dir;
	uint64_t number = exec_number(e);
	bool made;

	add_file(fix.store.tree_fd, "5/f", "x");
	ck_assert(!exec_vanish(fix.execs, e));
	ck_assert_int_eq(unlinkat(fix.store.tree_fd, "5/f", 0), 0);
	ck_assert(exec_vanish(fix.execs, e));
	ck_assert(!exists(fix.store.tree_fd, "5"));
	ck_assert_int_eq(state_of(e), EXEC_VIRTUAL);
	ck_assert_uint_eq(exec_count(fix.execs), 0);
	ck_assert_int_eq(last_release("5").reason, LEDGER_EMPTY);
	ck_assert(!exec_vanish(fix.execs, e));

	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &dir, &made), 0);
	ck_assert_uint_gt(exec_number(e), number); /* another life */
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(what_somebody_wanted_does_not_vanish)
{
	struct execution *pinned = with_dir("5");
	struct execution *timed = with_dir("6");
	struct execution *own = exec_get(fix.execs, "7", LIFETIME_TTL);
	struct handle h;
	uint64_t ino;
	bool made;

	ck_assert_int_eq(exec_set_pinned(fix.execs, pinned, true, &made), 0);
	ck_assert(!exec_vanish(fix.execs, pinned));
	ck_assert_int_eq(exec_set_ttl(fix.execs, timed, NS_PER_S, &made), 0);
	ck_assert(!exec_vanish(fix.execs, timed));
	ck_assert_int_eq(mkdirat(fix.store.tree_fd, "7", 0755), 0);
	ck_assert_int_eq(handle_at(fix.store.tree_fd, "7", &h), 0);
	ck_assert_int_eq(exec_dir_add(fix.execs, own, &h, 99, false, &alice), 0);
	ck_assert(!exec_dir_is_auto(own, &ino));
	ck_assert(!exec_vanish(fix.execs, own));
	ck_assert(exists(fix.store.tree_fd, "5") && exists(fix.store.tree_fd, "6") &&
		  exists(fix.store.tree_fd, "7"));

	ck_assert_int_eq(exec_set_pinned(fix.execs, pinned, false, &made), 0);
	ck_assert(exec_vanish(fix.execs, pinned));
	exec_unref(fix.execs, pinned);
	exec_unref(fix.execs, timed);
	exec_unref(fix.execs, own);
}
END_TEST

START_TEST(directory_with_flat_files_beside_it_vanishes_alone)
{
	struct execution *e = with_dir("5");

	add_flat(e, "5_x");
	ck_assert(exec_vanish(fix.execs, e));
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	exec_flat_drop(fix.execs, e, "5_x");
	ck_assert_int_eq(state_of(e), EXEC_VIRTUAL);
	ck_assert_int_eq(last_release("5").reason, LEDGER_REMOVED);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- flat files ---- */

START_TEST(flat_names_are_listed_and_dropped)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
	char name[256];

	ck_assert(!exec_flat_name(e, 0, name, sizeof(name)));
	ck_assert_int_eq(exec_flat_add(fix.execs, e, "5_a", &alice), 0);
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	ck_assert_int_eq(exec_flat_add(fix.execs, e, "5_b", &alice), 0);
	ck_assert(exec_flat_name(e, 0, name, sizeof(name)));
	ck_assert_str_eq(name, "5_a");
	ck_assert(exec_flat_name(e, 1, name, sizeof(name)));
	ck_assert(!exec_flat_name(e, 2, name, sizeof(name)));
	exec_flat_drop(fix.execs, e, "5_a");
	exec_flat_drop(fix.execs, e, "5_none");
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	exec_flat_drop(fix.execs, e, "5_b");
	ck_assert_int_eq(state_of(e), EXEC_VIRTUAL);
	ck_assert_int_eq(exec_dir(e, &(struct handle){ 0 }), -ENOENT);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- marks ---- */

START_TEST(names_are_its_own_until_they_go)
{
	struct execution *e = with_dir("5");
	struct handle other = { .type = 1, .len = 1 };
	struct handle dir;
	uint64_t ino = 1;

	add_flat(e, "5_a");
	ck_assert_int_eq(exec_dir(e, &dir), 0);
	ck_assert(exec_has_name(e, "5", &dir, &ino));
	ck_assert_uint_eq(ino, exec_auto_ino("5"));
	ck_assert(!exec_has_name(e, "5", &other, &ino));
	ck_assert(exec_has_name(e, "5_a", NULL, &ino));
	ck_assert_uint_eq(ino, 0);
	ck_assert(!exec_has_name(e, "5_b", NULL, &ino));
	ck_assert_int_eq(release_now(e), 0);
	ck_assert(!exec_has_name(e, "5", &dir, &ino));
	ck_assert(!exec_has_name(e, "5_a", NULL, &ino));
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(ttl_and_pin_are_marks_before_they_are_answered)
{
	struct execution *e = with_dir("5");
	_cleanup_close_ int fd = openat(fix.store.tree_fd, "5", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t value;
	bool made;

	ck_assert_int_eq(exec_ttl(fix.execs, e), TTL_NS);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, 5 * NS_PER_S, &made), 0);
	ck_assert(!made);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), 0);
	ck_assert_int_eq(value, 5 * NS_PER_S);
	ck_assert_int_eq(exec_ttl(fix.execs, e), 5 * NS_PER_S);
	ck_assert_int_lt(exec_expires_real_ns(fix.execs, e), clock_real_ns() + TTL_NS / 2);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, LEDGER_TTL_NEVER, &made), 0);
	ck_assert_int_eq(exec_expires_real_ns(fix.execs, e), INT64_MAX);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, LEDGER_TTL_DEFAULT, &made), 0);
	ck_assert_int_eq(mark_get(fd, MARK_TTL, &value), -ENODATA);
	ck_assert_int_eq(exec_ttl(fix.execs, e), TTL_NS);

	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), 0);
	ck_assert_int_eq(mark_get(fd, MARK_PINNED, &value), 0);
	ck_assert_int_eq(exec_expires_real_ns(fix.execs, e), INT64_MAX);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, false, &made), 0);
	ck_assert_int_eq(mark_get(fd, MARK_PINNED, &value), -ENODATA);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(mark_of_flat_files_makes_the_owners_directory)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
	struct stat st;
	bool made;

	add_flat(e, "5_x");
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, false, &made),
			 0); /* nothing to write down */
	ck_assert(!made);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), 0);
	ck_assert(made);
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "5", &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, alice.uid);
	ck_assert_uint_eq(st.st_gid, alice.gid);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(others_lifetimes_are_not_ours_to_change)
{
	struct execution *e = exec_get(fix.execs, "n8n", LIFETIME_EXTERNAL);
	struct exec_info info;
	bool made;

	exec_activate(fix.execs, e, &alice);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, 1, &made), -EPERM);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), -EPERM);
	ck_assert_int_eq(release_now(e), -EPERM);
	ck_assert_int_eq(exec_expires_real_ns(fix.execs, e), INT64_MAX);
	exec_info(fix.execs, e, &info);
	ck_assert_int_eq(info.ttl_ns, LEDGER_TTL_NEVER);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(info_is_what_was_done)
{
	struct execution *e = with_dir("5");
	struct exec_info info;

	exec_account(e, 2, 100);
	exec_account(e, -1, -30);
	exec_opened(e);
	exec_info(fix.execs, e, &info);
	ck_assert_str_eq(info.id, "5");
	ck_assert_int_eq(info.state, EXEC_ACTIVE);
	ck_assert_uint_eq(info.owner.uid, alice.uid);
	ck_assert_str_eq(info.owner.comm, "node");
	ck_assert_uint_eq(info.files, 1);
	ck_assert_uint_eq(info.bytes, 70);
	ck_assert_uint_eq(info.open, 1);
	ck_assert_int_eq(info.expires_real_ns, info.activity_real_ns + TTL_NS);
	exec_closed(e);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- the end ---- */

START_TEST(release_takes_all_names_and_says_why)
{
	struct execution *e = with_dir("5");
	struct execution *next;
	struct ledger_release r;

	add_file(fix.store.tree_fd, "5/f", "x");
	add_flat(e, "5_x");
	add_flat(e, "5-y");
	exec_account(e, 3, 3);
	ck_assert_int_eq(release_now(e), 0);
	ck_assert_int_eq(count_entries(fix.store.tree_fd), 0);
	ck_assert_int_eq(fix.ngone, 3);
	ck_assert(was_gone("5") && was_gone("5_x") && was_gone("5-y"));
	ck_assert_int_eq(state_of(e), EXEC_RELEASED);
	ck_assert_int_eq(exec_enter(e), -ESTALE);
	ck_assert_int_eq(release_now(e), -ESTALE);
	r = last_release("5");
	ck_assert_int_eq(r.reason, LEDGER_RELEASED);
	ck_assert_uint_eq(r.by.uid, alice.uid);
	ck_assert_uint_eq(r.files, 3);
	ck_assert_int_eq(r.ttl_ns, TTL_NS);

	next = exec_get(fix.execs, "5", LIFETIME_TTL); /* the ID starts again */
	ck_assert_ptr_ne(next, e);
	ck_assert_int_eq(state_of(next), EXEC_VIRTUAL);
	exec_unref(fix.execs, next);
	exec_unref(fix.execs, e);
	ck_assert_uint_eq(exec_count(fix.execs), 0);
}
END_TEST

START_TEST(released_execution_makes_and_keeps_nothing)
{
	struct execution *e = with_dir("5");
	struct handle dir;
	bool made;

	ck_assert_int_eq(release_now(e), 0);
	ck_assert_int_eq(exec_materialise(fix.execs, e, &alice, &dir, &made), -ESTALE);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), -ESTALE);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, 1, &made), -ESTALE);
	ck_assert(!exec_vanish(fix.execs, e));
	ck_assert_int_eq(count_entries(fix.store.tree_fd), 0);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(virtual_execution_cannot_be_released)
{
	struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);

	ck_assert_int_eq(release_now(e), -ESTALE);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(names_that_are_gone_already_do_not_matter)
{
	struct execution *e = with_dir("5");

	add_flat(e, "5_x");
	ck_assert_int_eq(unlinkat(fix.store.tree_fd, "5", AT_REMOVEDIR), 0);
	ck_assert_int_eq(unlinkat(fix.store.tree_fd, "5_x", 0), 0);
	ck_assert_int_eq(release_now(e), 0);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(immutable_names_are_released)
{
	struct execution *e = with_dir("5");
	_cleanup_close_ int fd = openat(fix.store.tree_fd, "5", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_IMMUTABLE_FL;
		ck_assert_int_eq(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	}
	ck_assert_int_eq(release_now(e), 0);
	ck_assert_int_eq(count_entries(fix.store.tree_fd), 0);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(only_the_idle_is_released_if_that_is_asked)
{
	struct execution *e = with_dir("5");
	struct exec_release_args args = { .reason = LEDGER_EXPIRED, .only_if_idle = true };

	args.events = atomic_load(&e->events);
	ck_assert_int_eq(exec_enter(e), 0);
	args.events++; /* entering counts */
	ck_assert_int_eq(exec_release(fix.execs, e, &args), -EBUSY);
	exec_leave(e);
	exec_opened(e);
	args.events = atomic_load(&e->events);
	ck_assert_int_eq(exec_release(fix.execs, e, &args), -EBUSY);
	exec_closed(e);
	ck_assert_int_eq(exec_release(fix.execs, e, &args), -EBUSY); /* closing counts */
	ck_assert_int_eq(state_of(e), EXEC_ACTIVE);
	ck_assert(exists(fix.store.tree_fd, "5"));
	args.events = atomic_load(&e->events);
	ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- against each other ---- */

static _Atomic int entered;
static _Atomic int broken;
static _Atomic bool stop;

/* Makes files as an operation does; what is made while entered must be there until it leaves. */
static void *create_files(void *arg)
{
	const char *suffix = arg;

	while (!stop) {
		struct execution *e = exec_get(fix.execs, "5", LIFETIME_TTL);
		struct handle dir;
		char name[32];
		bool made;

		if (e && exec_enter(e) == 0) {
			if (exec_materialise(fix.execs, e, &alice, &dir, &made) < 0)
				broken = __LINE__;
			(void)snprintf(name, sizeof(name), "5/%s", suffix);
			(void)safe_close(openat(fix.store.tree_fd, name,
						O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
			if (!exists(fix.store.tree_fd, name))
				broken = __LINE__;
			atomic_fetch_add(&entered, 1);
			exec_leave(e);
		}
		exec_unref(fix.execs, e);
	}
	return NULL;
}

START_TEST(release_waits_for_those_inside)
{
	static char names[3][2] = { "a", "b", "c" };
	pthread_t threads[ARRAY_SIZE(names)];
	int released = 0;

	stop = false;
	broken = entered = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, create_files, names[i]), 0);
	while (released < 500 && !broken) {
		struct execution *e = exec_lookup(fix.execs, "5");

		released += e && release_now(e) == 0;
		exec_unref(fix.execs, e);
	}
	stop = true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(broken, 0);
	ck_assert_int_gt(entered, 0);
	ck_assert_int_eq(released, 500);
}
END_TEST

/* As a client's last unlink does. */
static void *vanish(void *arg)
{
	(void)arg;
	while (!stop) {
		struct execution *e = exec_lookup(fix.execs, "5");

		if (e) {
			(void)unlinkat(fix.store.tree_fd, "5/b", 0);
			(void)exec_vanish(fix.execs, e);
		}
		exec_unref(fix.execs, e);
	}
	return NULL;
}

START_TEST(vanishing_spares_those_inside)
{
	static char name[2] = "a";
	pthread_t maker;
	pthread_t taker;

	stop = false;
	broken = entered = 0;
	ck_assert_int_eq(pthread_create(&taker, NULL, vanish, NULL), 0);
	ck_assert_int_eq(pthread_create(&maker, NULL, create_files, name), 0);
	for (int i = 0; i < 2000 && !broken; i++) {
		(void)unlinkat(fix.store.tree_fd, "5/none", 0);
		EVENTUALLY(entered > i || broken);
	}
	stop = true;
	ck_assert_int_eq(pthread_join(maker, NULL), 0);
	ck_assert_int_eq(pthread_join(taker, NULL), 0);
	ck_assert_int_eq(broken, 0);
}
END_TEST

static void *come_and_go(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		struct execution *e = exec_get(fix.execs, i % 2 ? "1" : "2", LIFETIME_TTL);

		if (!e)
			return (void *)1;
		exec_unref(fix.execs, exec_ref(e));
		exec_unref(fix.execs, e);
	}
	return NULL;
}

START_TEST(references_come_and_go_in_threads)
{
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *failed;

		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(exec_count(fix.execs), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		object_goes_with_its_last_reference_unless_it_is_real,
		thousands_are_found,
		automatic_inode_numbers_are_the_names_and_javascripts,
		directory_is_made_once_and_marked,
		file_in_the_way_of_the_directory_is_left_alone,
		empty_directory_of_ours_vanishes,
		what_somebody_wanted_does_not_vanish,
		directory_with_flat_files_beside_it_vanishes_alone,
		flat_names_are_listed_and_dropped,
		names_are_its_own_until_they_go,
		ttl_and_pin_are_marks_before_they_are_answered,
		mark_of_flat_files_makes_the_owners_directory,
		others_lifetimes_are_not_ours_to_change,
		info_is_what_was_done,
		release_takes_all_names_and_says_why,
		released_execution_makes_and_keeps_nothing,
		virtual_execution_cannot_be_released,
		names_that_are_gone_already_do_not_matter,
		immutable_names_are_released,
		only_the_idle_is_released_if_that_is_asked,
		release_waits_for_those_inside,
		vanishing_spares_those_inside,
		references_come_and_go_in_threads,
	};

	return RUN_TESTS("execution", tests, exec_setup, exec_teardown);
}
