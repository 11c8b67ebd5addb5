/* SPDX-License-Identifier: MIT */
/*
 * Walking the tree: everything once, directories first, however deep, and ends when told to.
 */
#include "store/walk.h"

#include "scratch.h"

/* Most entries a test makes. */
#define SEEN_MAX 8192

static struct {
	int n;
	int stop_at; /* 0: never */
	int answer;  /* then */
	int directories;
	uint64_t tag_sum;
	int remove_fd; /* a directory whose name is removed when it is seen, or -1 */
	uint64_t inos[SEEN_MAX];
} seen;

static struct handle start;

static void setup(void)
{
	scratch_setup();
	memset(&seen, 0, sizeof(seen));
	seen.remove_fd = -1;
	ck_assert_int_eq(handle_at(scratch.fd, "", &start), 0);
}

/* Every directory's tag is its parent's and one. */
static int see(void *arg, const struct walk_entry *e, uint64_t *ret_tag)
{
	struct handle h;

	ck_assert_ptr_eq(arg, &seen);
	ck_assert_uint_eq(e->tag, *ret_tag);
	ck_assert_uint_eq(e->st->st_ino, ino_of(e->dirfd, e->name));
	ck_assert_int_eq(handle_at(e->dirfd, e->name, &h), 0);
	ck_assert(handle_equal(&h, e->handle));
	for (int i = 0; i < seen.n; i++)
		ck_assert_uint_ne(seen.inos[i], e->st->st_ino);
	seen.inos[seen.n++] = e->st->st_ino;
	if (S_ISDIR(e->st->st_mode)) {
		seen.directories++;
		*ret_tag = e->tag + 1;
	}
	seen.tag_sum += e->tag;
	if (seen.remove_fd >= 0)
		(void)unlinkat(e->dirfd, e->name, S_ISDIR(e->st->st_mode) ? AT_REMOVEDIR : 0);
	return seen.stop_at && seen.n == seen.stop_at ? seen.answer : 0;
}

START_TEST(everything_is_seen_once)
{
	_cleanup_close_ int a = make_dir(scratch.fd, "a");
	_cleanup_close_ int b = make_dir(a, "b");

	add_file(scratch.fd, "1", "");
	add_file(a, "2", "");
	add_file(b, "3", "");
	ck_assert_int_eq(symlinkat("a", scratch.fd, "link"), 0);
	ck_assert_int_eq(mkfifoat(b, "fifo", 0600), 0);
	ck_assert_int_eq(walk(scratch.fd, &start, 10, see, &seen), 0);
	ck_assert_int_eq(seen.n, 7);
	ck_assert_int_eq(seen.directories, 2);
	ck_assert_uint_eq(seen.tag_sum, 3 * 10 + 2 * 11 + 2 * 12);
}
END_TEST

START_TEST(names_alone_are_seen_without_what_is_below)
{
	_cleanup_close_ int a = make_dir(scratch.fd, "a");

	add_file(scratch.fd, "1", "");
	add_file(a, "2", "");
	ck_assert_int_eq(walk_names(scratch.fd, &start, see, &seen), 0);
	ck_assert_int_eq(seen.n, 2);
	ck_assert_int_eq(seen.directories, 1);
	seen.n = 0;
	seen.stop_at = 1;
	seen.answer = -ECANCELED;
	ck_assert_int_eq(walk_names(scratch.fd, &start, see, &seen), -ECANCELED);
}
END_TEST

START_TEST(empty_directory_has_nothing)
{
	ck_assert_int_eq(walk(scratch.fd, &start, 0, see, &seen), 0);
	ck_assert_int_eq(seen.n, 0);
}
END_TEST

START_TEST(answer_ends_the_walk_and_is_returned)
{
	for (int i = 0; i < 10; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%d", i);
		add_file(scratch.fd, name, "");
	}
	seen.stop_at = 4;
	seen.answer = -ECANCELED;
	ck_assert_int_eq(walk(scratch.fd, &start, 0, see, &seen), -ECANCELED);
	ck_assert_int_eq(seen.n, 4);
}
END_TEST

START_TEST(depth_and_width_cost_no_descriptors)
{
	int at = openat(scratch.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int before = count_fds();
	struct rlimit old;
	struct rlimit few = { .rlim_cur = 32 };

	for (int i = 0; i < 1000; i++) {
		int next = make_dir(at, "d");

		ck_assert_int_eq(mkdirat(at, "e", 0700), 0);
		(void)close(at);
		at = next;
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(walk(scratch.fd, &start, 0, see, &seen), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(seen.n, 2000);
	ck_assert_int_eq(count_fds(), before);
	(void)close(at);
	/* too deep for the names that nftw() makes */
	for (;;) {
		ck_assert_int_eq(unlinkat(scratch.fd, "e", AT_REMOVEDIR), 0);
		if (renameat(scratch.fd, "d/d", scratch.fd, "next") < 0)
			break;
		ck_assert_int_eq(renameat(scratch.fd, "d/e", scratch.fd, "e"), 0);
		ck_assert_int_eq(unlinkat(scratch.fd, "d", AT_REMOVEDIR), 0);
		ck_assert_int_eq(renameat(scratch.fd, "next", scratch.fd, "d"), 0);
	}
}
END_TEST

START_TEST(what_vanishes_meanwhile_is_no_error)
{
	(void)close(make_dir(scratch.fd, "a"));
	(void)close(make_dir(scratch.fd, "b"));
	add_file(scratch.fd, "c", "");
	seen.remove_fd = scratch.fd;
	ck_assert_int_eq(walk(scratch.fd, &start, 0, see, &seen), 0);
	ck_assert_int_eq(seen.n, 3);
	ck_assert_int_eq(count_entries(scratch.fd), 0);
}
END_TEST

START_TEST(start_that_is_gone_is_an_empty_one)
{
	struct handle h;

	(void)close(make_dir(scratch.fd, "a"));
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	ck_assert_int_eq(unlinkat(scratch.fd, "a", AT_REMOVEDIR), 0);
	ck_assert_int_eq(walk(scratch.fd, &h, 0, see, &seen), 0);
	ck_assert_int_eq(seen.n, 0);
}
END_TEST

START_TEST(start_that_is_a_file_is_an_error)
{
	struct handle h;

	add_file(scratch.fd, "a", "");
	ck_assert_int_eq(handle_at(scratch.fd, "a", &h), 0);
	ck_assert_int_eq(walk(scratch.fd, &h, 0, see, &seen), -ENOTDIR);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everything_is_seen_once,
		names_alone_are_seen_without_what_is_below,
		empty_directory_has_nothing,
		answer_ends_the_walk_and_is_returned,
		depth_and_width_cost_no_descriptors,
		what_vanishes_meanwhile_is_no_error,
		start_that_is_gone_is_an_empty_one,
		start_that_is_a_file_is_an_error,
	};

	return RUN_TESTS("walk", tests, setup, scratch_teardown);
}
