/* SPDX-License-Identifier: MIT */
/*
 * Memory limits, in a directory that looks like a control group's.
 */
#include "store/memcg.h"

#include "scratch.h"

static struct memcg_use use;

static void group(const char *name, const char *limit, const char *used)
{
	_cleanup_close_ int dir =
		*name ? make_dir(scratch.fd, name)
		      : openat(scratch.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	add_file(dir, "max", limit);
	if (used)
		add_file(dir, "current", used);
}

static void ask(const char *name)
{
	memcg_tightest_below(scratch.path, name, "max", "current", NULL, &use);
}

START_TEST(no_group_no_limit)
{
	ask("/nowhere/at/all");
	ck_assert_uint_eq(use.limit_bytes, UINT64_MAX);
	ck_assert(memcg_has_room(&use, UINT64_MAX));
}
END_TEST

START_TEST(max_is_no_limit)
{
	group("a", "max\n", "4096\n");
	group("a/b", "9223372036854771712\n", "4096\n"); /* version 1 says it so */
	ask("/a/b");
	ck_assert_uint_eq(use.limit_bytes, UINT64_MAX);
}
END_TEST

START_TEST(tightest_of_the_line_counts)
{
	group("", "1000000\n", "100000\n");
	group("a", "1000\n", "500\n");
	group("a/b", "10000\n", "4000\n");
	group("a/b/c", "max\n", NULL);
	ask("/a/b/c");
	ck_assert_uint_eq(use.limit_bytes, 1000);
	ck_assert_uint_eq(use.used_bytes, 500);
	ask("");
	ck_assert_uint_eq(use.limit_bytes, 1000000);
	ask("/");
	ck_assert_uint_eq(use.limit_bytes, 1000000);
}
END_TEST

START_TEST(what_cannot_be_read_has_no_limit)
{
	group("a", "1000\n", NULL);
	group("b", "many\n", "1\n");
	ask("/a");
	ck_assert_uint_eq(use.limit_bytes, UINT64_MAX);
	ask("/b");
	ck_assert_uint_eq(use.limit_bytes, UINT64_MAX);
}
END_TEST

START_TEST(what_can_be_dropped_is_free)
{
	_cleanup_close_ int dir = -1;

	group("a", "1000\n", "900\n");
	group("a/b", "1000\n", "800\n");
	dir = openat(scratch.fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	add_file(dir, "memory.stat",
		 "anon 100\nshmem 50\nshmem_thp 7\ninactive_file 300\nactive_file 200\n");
	add_file(dir, "b/memory.stat", "anon 800\nshmem 0\ninactive_file 0\n");
	memcg_tightest_below(scratch.path, "/a/b", "max", "current", "", &use);
	ck_assert_uint_eq(use.limit_bytes, 1000);
	ck_assert_uint_eq(use.used_bytes, 400);
	ck_assert_uint_eq(use.shmem_bytes, 50);
	memcg_tightest_below(scratch.path, "/a/b", "max", "current", "total_", &use);
	ck_assert_uint_eq(use.limit_bytes, UINT64_MAX); /* no tmpfs in any of them */
}
END_TEST

START_TEST(a_quarter_stays_free)
{
	use = (struct memcg_use){ .limit_bytes = 1000, .used_bytes = 700 };
	ck_assert(memcg_has_room(&use, 50));
	ck_assert(!memcg_has_room(&use, 51));
	use.used_bytes = 800;
	ck_assert(!memcg_has_room(&use, 0));
}
END_TEST

START_TEST(of_this_process)
{
	memcg_tightest(&use);
	ck_assert(use.limit_bytes == UINT64_MAX || use.used_bytes > 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_group_no_limit,
		max_is_no_limit,
		tightest_of_the_line_counts,
		what_cannot_be_read_has_no_limit,
		what_can_be_dropped_is_free,
		a_quarter_stays_free,
		of_this_process,
	};

	return RUN_TESTS("memcg", tests, scratch_setup, scratch_teardown);
}
