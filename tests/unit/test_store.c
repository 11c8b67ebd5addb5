/* SPDX-License-Identifier: MIT */
/*
 * Opening a store: what is made, what is refused and in which words, and that a refusal changes nothing.
 */
#include "store/store.h"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "scratch.h"

static struct store st;
static struct store_error error;
static int fds_before;

static void setup(void)
{
	scratch_setup();
	ck_assert_int_eq(fchmod(scratch.fd, 0755), 0);
	fds_before = count_fds();
}

static void open_ok(void)
{
	ck_assert_msg(store_open(scratch.path, &st, &error) == 0, "%s", error.text);
}

static mode_t mode_of(const char *name)
{
	struct stat s;

	ck_assert_int_eq(fstatat(scratch.fd, name, &s, 0), 0);
	return s.st_mode & 07777;
}

/* The attempt fails with `err` and speaks of `word`; no descriptor and no change is left. */
static void assert_refused(const char *source, int err, const char *word)
{
	int entries = count_entries(scratch.fd);
	mode_t mode = mode_of(".");
	struct store untouched = { .fd = 77 };
	int r = store_open(source, &untouched, &error);

	ck_assert_msg(r == err, "%s: %d %s", source, r, error.text);
	ck_assert_msg(strstr(error.text, word) != NULL, "'%s' is not in: %s", word, error.text);
	ck_assert_ptr_null(strchr(error.text, '\n'));
	ck_assert_int_eq(untouched.fd, 77);
	ck_assert_int_eq(count_entries(scratch.fd), entries);
	ck_assert_uint_eq(mode_of("."), mode);
	ck_assert_int_eq(count_fds(), fds_before);
}

static void write_lock(const char *text)
{
	add_file(scratch.fd, "lock", text);
}

START_TEST(empty_directory_becomes_a_store)
{
	char text[64] = "";
	int fd;

	open_ok();
	ck_assert_str_eq(st.path, scratch.path);
	ck_assert(!st.memory);
	ck_assert_uint_eq(mode_of("."), 0700);
	ck_assert_uint_eq(mode_of("tree"), 01777);
	ck_assert_uint_eq(mode_of("trash"), 0700);
	ck_assert_uint_eq(mode_of("blobs"), 0700);
	ck_assert_int_eq(count_entries(scratch.fd), 4);
	fd = openat(scratch.fd, "lock", O_RDONLY | O_CLOEXEC);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "batonfs store, format 2\n");
	(void)close(fd);
	store_close(&st);
	ck_assert_int_eq(count_fds(), fds_before);
}
END_TEST

START_TEST(umask_does_not_count)
{
	mode_t mask = umask(077);

	open_ok();
	ck_assert_uint_eq(mode_of("tree"), 01777);
	store_close(&st);
	(void)umask(mask);
}
END_TEST

START_TEST(store_is_found_again_as_it_was)
{
	struct handle tree;

	open_ok();
	tree = st.tree;
	ck_assert_int_eq(fchmod(st.tree_fd, 0750), 0);
	store_close(&st);
	open_ok();
	ck_assert(handle_equal(&tree, &st.tree));
	ck_assert_uint_eq(mode_of("tree"), 0750); /* somebody wanted it so */
	store_close(&st);
}
END_TEST

START_TEST(interrupted_making_is_completed)
{
	write_lock("batonfs store, format 2\n");
	open_ok();
	ck_assert(exists(scratch.fd, "tree") && exists(scratch.fd, "trash"));
	store_close(&st);
}
END_TEST

START_TEST(older_format_becomes_this_one)
{
	char text[64] = "";
	int fd;

	write_lock("batonfs store, format 1\n");
	open_ok();
	ck_assert(exists(scratch.fd, "blobs"));
	store_close(&st);
	fd = openat(scratch.fd, "lock", O_RDONLY | O_CLOEXEC);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "batonfs store, format 2\n");
	(void)close(fd);
}
END_TEST

START_TEST(what_mkfs_leaves_does_not_count)
{
	(void)close(make_dir(scratch.fd, "lost+found"));
	open_ok();
	store_close(&st);
	ck_assert(exists(scratch.fd, "lost+found"));
}
END_TEST

START_TEST(handles_open_inodes_of_the_store)
{
	struct handle h;
	int fd;

	open_ok();
	add_file(st.tree_fd, "f", "x");
	ck_assert_int_eq(handle_at(st.tree_fd, "f", &h), 0);
	fd = store_open_handle(&st, &h, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	ck_assert_int_eq(store_leave(&st), 0); /* nothing to do for a directory */
	ck_assert_int_eq(store_enter(&st), 0);
	store_close(&st);
}
END_TEST

START_TEST(missing_directory_is_said_with_the_cure)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/none", scratch.path);
	assert_refused(path, -ENOENT, "mkdir -p");
}
END_TEST

START_TEST(file_is_no_store)
{
	char path[128];

	add_file(scratch.fd, "f", "");
	(void)snprintf(path, sizeof(path), "%s/f", scratch.path);
	assert_refused(path, -ENOTDIR, path);
	(void)snprintf(path, sizeof(path), "%s/f/below", scratch.path);
	assert_refused(path, -ENOTDIR, path);
}
END_TEST

START_TEST(directory_of_something_else_is_refused)
{
	add_file(scratch.fd, "thesis.txt", "x");
	assert_refused(scratch.path, -ENOTEMPTY, "empty directory");
}
END_TEST

START_TEST(foreign_lock_file_is_refused)
{
	static const char *const texts[] = {
		"",
		"hello\n",
		"batonfs store, format ",
		"batonfs store, format \n",
		"batonfs store, format x\n",
		"batonfs store, format -1\n",
		"batonfs store, format 1",
		"batonfs store, format 1 and more\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		write_lock(texts[i]);
		assert_refused(scratch.path, -ENOTEMPTY, "lock is not a batonfs store's");
		ck_assert_int_eq(unlinkat(scratch.fd, "lock", 0), 0);
	}
	ck_assert_int_eq(symlinkat("nowhere", scratch.fd, "lock"), 0);
	assert_refused(scratch.path, -ELOOP, "lock");
}
END_TEST

START_TEST(newer_format_is_refused)
{
	write_lock("batonfs store, format 3\n");
	assert_refused(scratch.path, -EPROTONOSUPPORT, "newer batonfs");
	ck_assert_int_eq(unlinkat(scratch.fd, "lock", 0), 0);
	write_lock("batonfs store, format 99999999999999999999999\n");
	assert_refused(scratch.path, -EPROTONOSUPPORT, "newer batonfs");
}
END_TEST

START_TEST(store_in_use_is_refused)
{
	open_ok();
	fds_before = count_fds();
	assert_refused(scratch.path, -EBUSY, "in use");
	store_close(&st);
	open_ok();
	store_close(&st);
}
END_TEST

START_TEST(subdirectories_must_be_directories)
{
	open_ok();
	store_close(&st);
	ck_assert_int_eq(unlinkat(scratch.fd, "tree", AT_REMOVEDIR), 0);
	ck_assert_int_eq(symlinkat("/etc", scratch.fd, "tree"), 0);
	assert_refused(scratch.path, -ENOTDIR, "tree");
}
END_TEST

START_TEST(filesystem_without_handles_is_refused)
{
	assert_refused("/proc/self/fdinfo", -EOPNOTSUPP, "file handles");
}
END_TEST

START_TEST(sizes_of_memory_are_checked_before_anything_is_mounted)
{
	assert_refused("memory:", -EINVAL, "memory:");
	assert_refused("memory:much", -EINVAL, "much");
	assert_refused("memory:0%", -EINVAL, "0%");
	assert_refused("memory:101%", -EINVAL, "101%");
	assert_refused("memory:64K", -EINVAL, "too small");
	assert_refused("memory:1000000T", -EINVAL, "more than");
}
END_TEST

/* With fewer descriptors than it takes, at each point it may fail. */
START_TEST(failure_at_any_point_leaves_an_empty_directory)
{
	struct rlimit old;
	struct rlimit few;
	int failures = 0;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	for (few.rlim_cur = 0;; few.rlim_cur++) {
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = store_open(scratch.path, &st, &error);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (r == 0)
			break;
		failures++;
		ck_assert_msg(r == -EMFILE, "%s", error.text);
		ck_assert_int_eq(count_entries(scratch.fd), 0);
		ck_assert_uint_eq(mode_of("."), 0755);
		ck_assert_int_eq(count_fds(), fds_before);
	}
	ck_assert_int_ge(failures, fds_before + 2);
	store_close(&st);
}
END_TEST

START_TEST(full_disk_leaves_an_empty_directory)
{
	struct rlimit old;
	struct rlimit none;

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_refused(scratch.path, -EFBIG, "lock");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
}
END_TEST

/* ---- in a child: namespaces and privileges ---- */

static int read_only(void)
{
	CHILD_ASSERT(unshare(CLONE_NEWNS) == 0);
	CHILD_ASSERT(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHILD_ASSERT(mount("test", scratch.path, "tmpfs", MS_RDONLY, NULL) == 0);
	CHILD_ASSERT(store_open(scratch.path, &st, &error) == -EROFS);
	CHILD_ASSERT(strstr(error.text, scratch.path) != NULL);
	return 0;
}

START_TEST(read_only_filesystem_is_refused)
{
	in_child(read_only);
}
END_TEST

static int unprivileged(void)
{
	CHILD_ASSERT(setuid(65534) == 0);
	CHILD_ASSERT(store_open("/tmp", &st, &error) == -EPERM);
	CHILD_ASSERT(strstr(error.text, "root") != NULL);
	CHILD_ASSERT(store_open("memory:8M", &st, &error) < 0);
	CHILD_ASSERT(strstr(error.text, "memory") != NULL);
	return 0;
}

START_TEST(privilege_is_needed)
{
	in_child(unprivileged);
}
END_TEST

static bool is_tmpfs(const char *path)
{
	struct statfs sfs;

	return statfs(path, &sfs) == 0 && sfs.f_type == 0x01021994;
}

static int open_memory(void)
{
	bool host = is_tmpfs(MEMORY_PATH);

	CHILD_ASSERT(store_open("memory:8M", &st, &error) == 0);
	CHILD_ASSERT(st.memory && strcmp(st.path, MEMORY_PATH) == 0);
	CHILD_ASSERT(strcmp(st.filesystem, "tmpfs") == 0 && is_tmpfs(MEMORY_PATH));
	CHILD_ASSERT(store_leave(&st) == 0 && is_tmpfs(MEMORY_PATH) == host);
	CHILD_ASSERT(store_enter(&st) == 0 && is_tmpfs(MEMORY_PATH));
	store_close(&st);
	return 0;
}

START_TEST(memory_store_is_seen_inside_only)
{
	in_child(open_memory);
}
END_TEST

/* The tmpfs is there when it turns out that nothing can be written. */
static int fail_in_memory(void)
{
	struct rlimit none = { 0 };
	bool host = is_tmpfs(MEMORY_PATH);
	int before = count_fds();

	(void)signal(SIGXFSZ, SIG_IGN);
	CHILD_ASSERT(setrlimit(RLIMIT_FSIZE, &none) == 0);
	CHILD_ASSERT(store_open("memory:8M", &st, &error) == -EFBIG);
	CHILD_ASSERT(is_tmpfs(MEMORY_PATH) == host);
	CHILD_ASSERT(count_fds() == before);
	return 0;
}

START_TEST(failed_memory_store_leaves_nothing_mounted)
{
	in_child(fail_in_memory);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_directory_becomes_a_store,
		umask_does_not_count,
		store_is_found_again_as_it_was,
		interrupted_making_is_completed,
		older_format_becomes_this_one,
		what_mkfs_leaves_does_not_count,
		handles_open_inodes_of_the_store,
		missing_directory_is_said_with_the_cure,
		file_is_no_store,
		directory_of_something_else_is_refused,
		foreign_lock_file_is_refused,
		newer_format_is_refused,
		store_in_use_is_refused,
		subdirectories_must_be_directories,
		filesystem_without_handles_is_refused,
		sizes_of_memory_are_checked_before_anything_is_mounted,
		failure_at_any_point_leaves_an_empty_directory,
		full_disk_leaves_an_empty_directory,
		read_only_filesystem_is_refused,
		privilege_is_needed,
		memory_store_is_seen_inside_only,
		failed_memory_store_leaves_nothing_mounted,
	};

	return RUN_TESTS("store", tests, setup, scratch_teardown);
}
