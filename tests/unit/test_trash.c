/* SPDX-License-Identifier: MIT */
/*
 * What goes to the trash is gone at once for the tree and deleted soon, whatever it is.
 */
#include "store/trash.h"

#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "scratch.h"

static struct trash *trash;
static int trash_dir;
static int tree;

/* What was watched, and is not any more. */
static _Atomic int told_gone;
static _Atomic int told_left;

static void setup(void)
{
	scratch_setup();
	trash_dir = make_dir(scratch.fd, "trash");
	tree = make_dir(scratch.fd, "tree");
	ck_assert_int_eq(trash_new(trash_dir, &trash), 0);
	ck_assert_int_eq(trash_start(trash), 0);
	atomic_store(&told_gone, 0);
	atomic_store(&told_left, 0);
}

static void teardown(void)
{
	trash_free(trash);
	(void)close(trash_dir);
	(void)close(tree);
	scratch_teardown();
}

/* Stop the thread, so that what is in the trash stays there. */
static void restart(void)
{
	trash_free(trash);
	trash = NULL;
	ck_assert_int_eq(trash_new(trash_dir, &trash), 0);
	ck_assert_int_eq(trash_start(trash), 0);
}

/* 0, or -EOPNOTSUPP where the filesystem has no such flags. */
static int set_flag(int dirfd, const char *name, int flag)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	int flags;

	ck_assert_int_ge(fd, 0);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -EOPNOTSUPP;
	flags |= flag;
	ck_assert_int_eq(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	return 0;
}

/* A chain of directories, with a file at each of its ends. */
static void make_chain(const char *name, int depth)
{
	int at = make_dir(tree, name);

	for (int i = 0; i < depth; i++) {
		int next = make_dir(at, "d");

		(void)close(at);
		at = next;
	}
	add_file(at, "bottom", "x");
	(void)close(at);
}

static void assert_emptied(void)
{
	EVENTUALLY(count_entries(trash_dir) == 0);
	EVENTUALLY(trash_pending(trash) == 0);
}

START_TEST(file_goes_at_once_and_is_deleted_soon)
{
	add_file(tree, "f", "x");
	ck_assert_int_eq(trash_take(trash, tree, "f"), 0);
	ck_assert(!exists(tree, "f"));
	assert_emptied();
}
END_TEST

START_TEST(nothing_there_is_said)
{
	ck_assert_int_eq(trash_take(trash, tree, "none"), -ENOENT);
	ck_assert_int_eq(trash_take_inode(trash, tree, "none", 1), -ENOENT);
	ck_assert_uint_eq(trash_pending(trash), 0);
}
END_TEST

START_TEST(every_type_of_file_is_deleted)
{
	int dir = make_dir(tree, "d");

	add_file(dir, "file", "x");
	ck_assert_int_eq(symlinkat("nowhere", dir, "link"), 0);
	ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
	ck_assert_int_eq(mknodat(dir, "null", S_IFCHR | 0600, 0x103), 0);
	(void)close(make_dir(dir, "empty"));
	(void)close(dir);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	assert_emptied();
}
END_TEST

START_TEST(open_file_can_still_be_read)
{
	_cleanup_close_ int fd = make_file(tree, "f", "hello");
	char text[6] = "";

	ck_assert_int_eq(trash_take(trash, tree, "f"), 0);
	assert_emptied();
	ck_assert_int_eq(pread(fd, text, 5, 0), 5);
	ck_assert_str_eq(text, "hello");
}
END_TEST

START_TEST(tree_of_three_thousand_levels_is_deleted)
{
	struct rlimit before;
	struct rlimit few = { .rlim_cur = 32 };

	make_chain("deep", 3000);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); /* depth costs no descriptors */
	ck_assert_int_eq(trash_take(trash, tree, "deep"), 0);
	assert_emptied();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

START_TEST(wide_directory_is_deleted)
{
	int dir = make_dir(tree, "wide");
	char name[32];

	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "file-%d", i);
		add_file(dir, name, "");
		(void)snprintf(name, sizeof(name), "dir-%d", i);
		ck_assert_int_eq(mkdirat(dir, name, 0700), 0);
	}
	(void)close(dir);
	ck_assert_int_eq(trash_take(trash, tree, "wide"), 0);
	assert_emptied();
}
END_TEST

START_TEST(immutable_and_append_only_files_are_deleted)
{
	int dir = make_dir(tree, "d");
	int sub = make_dir(dir, "sub");
	bool flags;

	add_file(dir, "a", "x");
	add_file(dir, "b", "x");
	add_file(sub, "c", "x");
	flags = set_flag(dir, "a", FS_IMMUTABLE_FL) == 0;
	if (flags) {
		ck_assert_int_eq(set_flag(dir, "b", FS_APPEND_FL), 0);
		ck_assert_int_eq(set_flag(sub, "c", FS_IMMUTABLE_FL), 0);
		ck_assert_int_eq(set_flag(dir, "sub", FS_IMMUTABLE_FL), 0);
	}
	(void)close(sub);
	(void)close(dir);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	assert_emptied();
}
END_TEST

START_TEST(immutable_directory_of_directories_is_deleted)
{
	int dir = make_dir(tree, "d");

	(void)close(make_dir(dir, "empty"));
	make_chain("chain", 2);
	ck_assert_int_eq(renameat(tree, "chain", dir, "chain"), 0);
	(void)set_flag(tree, "d", FS_APPEND_FL);
	(void)close(dir);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	assert_emptied();
}
END_TEST

START_TEST(immutable_top_is_taken)
{
	add_file(tree, "f", "x");
	add_file(tree, "g", "x");
	(void)close(make_dir(tree, "d"));
	(void)set_flag(tree, "f", FS_IMMUTABLE_FL);
	(void)set_flag(tree, "g", FS_APPEND_FL);
	(void)set_flag(tree, "d", FS_IMMUTABLE_FL);
	ck_assert_int_eq(trash_take(trash, tree, "f"), 0);
	ck_assert_int_eq(trash_take_inode(trash, tree, "g", ino_of(tree, "g")), 0);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	ck_assert_int_eq(count_entries(tree), 0);
	assert_emptied();
}
END_TEST

static int flags_of(int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	int flags;

	ck_assert_int_ge(fd, 0);
	return ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? 0
						      : flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

START_TEST(flags_stay_on_what_has_another_name)
{
	static const char *const names[] = { "flat", "d/deep", "inode" };
	int dir = make_dir(tree, "d");
	int other = make_dir(tree, "other");
	int flags[3];

	for (int i = 0; i < 3; i++) {
		const char *left = names[i][1] == '/' ? names[i] + 2 : names[i];

		add_file(tree, names[i], "x");
		ck_assert_int_eq(linkat(tree, names[i], other, left, 0), 0);
		(void)set_flag(other, left, i == 2 ? FS_APPEND_FL : FS_IMMUTABLE_FL);
		flags[i] = flags_of(other, left);
	}
	ck_assert_int_eq(trash_take(trash, tree, "flat"), 0);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	ck_assert_int_eq(trash_take_inode(trash, tree, "inode", ino_of(tree, "inode")), 0);
	assert_emptied();
	ck_assert_int_eq(flags_of(other, "flat"), flags[0]);
	ck_assert_int_eq(flags_of(other, "deep"), flags[1]);
	ck_assert_int_eq(flags_of(other, "inode"), flags[2]);
	(void)close(dir);

	/* And go with the last one. */
	(void)close(other);
	ck_assert_int_eq(trash_take(trash, tree, "other"), 0);
	assert_emptied();
}
END_TEST

static void tell_watched(void *ctx, struct trash_watch *w, bool gone)
{
	(void)ctx;
	atomic_fetch_add(gone ? &told_gone : &told_left, 1);
	w->fd = safe_close(w->fd);
}

static void told_is(int gone, int left)
{
	EVENTUALLY(atomic_load(&told_gone) == gone);
	ck_assert_int_eq(atomic_load(&told_left), left);
}

/* dir/name, which has another name in d. */
static void watch(struct trash_watch *w, int dir, const char *name, int expected)
{
	w->fd = openat(dir, name, O_PATH | O_CLOEXEC);
	w->ino = ino_of(dir, name);
	ck_assert_int_eq(unlinkat(dir, name, 0), 0);
	ck_assert_int_eq(trash_watch(trash, w), expected);
}

static void add_linked(int dir, const char *name)
{
	add_file(tree, name, "x");
	ck_assert_int_eq(linkat(tree, name, dir, name, 0), 0);
}

START_TEST(what_is_watched_is_told_of_once)
{
	struct trash_upcalls up = { .watched = tell_watched };
	int dir = make_dir(tree, "d");
	struct trash_watch w[6];

	add_linked(dir, "none");
	w[0].fd = -1;
	watch(&w[0], tree, "none", -ECANCELED); /* nobody wants to know */
	(void)safe_close(w[0].fd);
	trash_set_upcalls(trash, &up);
	add_linked(dir, "a");
	add_linked(dir, "b");
	add_linked(dir, "c");
	ck_assert_int_eq(linkat(dir, "b", tree, "b2", 0), 0);
	watch(&w[1], tree, "a", 0);
	watch(&w[2], tree, "b", 0);
	watch(&w[3], tree, "b2", 0); /* instead of the one before */
	told_is(0, 1);
	watch(&w[4], tree, "c", 0);
	trash_unwatch(trash, w[4].ino);
	told_is(0, 2);
	ck_assert_int_eq(trash_take(trash, tree, "d"), 0);
	assert_emptied();
	told_is(2, 2);

	add_file(tree, "e", "x");
	watch(&w[5], tree, "e", 1); /* too late */
	(void)safe_close(w[5].fd);
	trash_set_upcalls(trash, NULL);
	told_is(2, 2);
	(void)close(dir);
}
END_TEST

START_TEST(what_is_watched_may_be_too_much)
{
	static struct trash_watch w[300];
	struct trash_upcalls up = { .watched = tell_watched };
	int dir = make_dir(tree, "d");

	trash_set_upcalls(trash, &up);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "%zu", i);
		add_linked(dir, name);
		watch(&w[i], tree, name, 0);
	}
	ck_assert_int_eq(w[0].fd, -1);
	ck_assert_int_ge(w[299].fd, 0);
	trash_set_upcalls(trash, NULL); /* they are given back */
	told_is(0, (int)ARRAY_SIZE(w));
	(void)close(dir);
}
END_TEST

START_TEST(leftovers_of_an_earlier_process_are_deleted)
{
	trash_free(trash);
	trash = NULL;
	add_file(trash_dir, "17a-0", "x");
	add_file(trash_dir, ".17a-1", "x"); /* it died inside trash_take_inode() */
	add_file(trash_dir, "anything", "x");
	make_chain("17a-2", 3);
	ck_assert_int_eq(renameat(tree, "17a-2", trash_dir, "17a-2"), 0);
	ck_assert_int_eq(trash_new(trash_dir, &trash), 0);
	ck_assert_int_eq(trash_start(trash), 0);
	assert_emptied();
}
END_TEST

START_TEST(inode_is_taken_only_if_it_is_the_one)
{
	uint64_t ino;

	add_file(tree, "f", "keep me");
	ino = ino_of(tree, "f");
	ck_assert_int_eq(trash_take_inode(trash, tree, "f", ino + 1), -ESTALE);
	ck_assert_uint_eq(ino_of(tree, "f"), ino);
	ck_assert_int_eq(count_entries(trash_dir), 0);
	ck_assert_int_eq(trash_take_inode(trash, tree, "f", ino), 0);
	ck_assert(!exists(tree, "f"));
	assert_emptied();
}
END_TEST

/* Names come and go under the same name while the other thread wants one inode only. */
static void *exchange(void *arg)
{
	_Atomic bool *stop = arg;

	while (!*stop) {
		if (renameat2(tree, "f", tree, "g", RENAME_EXCHANGE) < 0)
			return (void *)1;
	}
	return NULL;
}

START_TEST(inode_is_never_taken_for_another)
{
	_Atomic bool stop = false;
	pthread_t thread;
	void *failed;
	uint64_t ino;
	int stale = 0;

	add_file(tree, "f", "precious");
	add_file(tree, "g", "precious");
	ino = ino_of(tree, "f") + ino_of(tree, "g"); /* nobody's */
	ck_assert_int_eq(pthread_create(&thread, NULL, exchange, &stop), 0);
	for (int i = 0; i < 20000; i++)
		stale += trash_take_inode(trash, tree, "f", ino) == -ESTALE;
	stop = true;
	ck_assert_int_eq(pthread_join(thread, &failed), 0);
	ck_assert_ptr_null(failed);
	ck_assert_int_eq(stale, 20000);
	ck_assert_int_eq(count_entries(tree), 2);
}
END_TEST

START_TEST(emptying_beside_the_worker_is_allowed)
{
	for (int i = 0; i < 20; i++) {
		make_chain("chain", 50);
		ck_assert_int_eq(trash_take(trash, tree, "chain"), 0);
		ck_assert_int_eq(trash_empty(trash), 0);
	}
	assert_emptied();
}
END_TEST

/* A mountpoint cannot be removed; in a namespace of its own, so that nothing is left of it. */
static int resist(void)
{
	struct trash *t = NULL;
	int dir;

	CHILD_ASSERT(unshare(CLONE_NEWNS) == 0);
	CHILD_ASSERT(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHILD_ASSERT(chdir(scratch.path) == 0); /* descriptors are still in the old namespace */
	trash_dir = open("trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHILD_ASSERT(mkdirat(trash_dir, "0-0", 0700) == 0);
	CHILD_ASSERT(mount("test", "trash/0-0", "tmpfs", 0, NULL) == 0);
	dir = openat(trash_dir, "0-0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHILD_ASSERT(mkdirat(dir, "a", 0700) == 0 && mkdirat(dir, "a/b", 0700) == 0);
	CHILD_ASSERT(close(dir) == 0);
	CHILD_ASSERT(mkdirat(trash_dir, "0-1", 0700) == 0);
	CHILD_ASSERT(trash_new(trash_dir, &t) == 0 && trash_start(t) == 0);
	CHILD_ASSERT(trash_empty(t) == -EXDEV);
	CHILD_ASSERT(!exists(trash_dir, "0-1") && exists(trash_dir, "0-0/a"));
	CHILD_ASSERT(umount2("trash/0-0", MNT_DETACH) == 0);
	CHILD_ASSERT(trash_empty(t) == 0 && !exists(trash_dir, "0-0"));
	trash_free(t);
	return 0;
}

START_TEST(what_resists_does_not_hold_up_the_rest)
{
	trash_free(trash); /* a child has no threads but its own */
	trash = NULL;
	in_child(resist);
}
END_TEST

static void *take_many(void *arg)
{
	char name[32];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "%s-%d", (const char *)arg, i);
		if (mkdirat(tree, name, 0700) < 0 || trash_take(trash, tree, name) < 0)
			return (void *)1;
	}
	return NULL;
}

START_TEST(many_threads_take_at_the_same_time)
{
	static char names[4][2] = { "a", "b", "c", "d" };
	pthread_t threads[ARRAY_SIZE(names)];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, names[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void *failed;

		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_int_eq(count_entries(tree), 0);
	assert_emptied();
}
END_TEST

START_TEST(stopping_in_the_middle_loses_nothing)
{
	for (int i = 0; i < 10; i++) {
		make_chain("chain", 200);
		ck_assert_int_eq(trash_take(trash, tree, "chain"), 0);
		restart();
	}
	trash_free(NULL);
	assert_emptied();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		file_goes_at_once_and_is_deleted_soon,
		nothing_there_is_said,
		every_type_of_file_is_deleted,
		open_file_can_still_be_read,
		tree_of_three_thousand_levels_is_deleted,
		wide_directory_is_deleted,
		immutable_and_append_only_files_are_deleted,
		immutable_directory_of_directories_is_deleted,
		immutable_top_is_taken,
		flags_stay_on_what_has_another_name,
		what_is_watched_is_told_of_once,
		what_is_watched_may_be_too_much,
		leftovers_of_an_earlier_process_are_deleted,
		inode_is_taken_only_if_it_is_the_one,
		inode_is_never_taken_for_another,
		emptying_beside_the_worker_is_allowed,
		what_resists_does_not_hold_up_the_rest,
		many_threads_take_at_the_same_time,
		stopping_in_the_middle_loses_nothing,
	};

	return RUN_TESTS("trash", tests, setup, teardown);
}
