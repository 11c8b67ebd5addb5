/* SPDX-License-Identifier: MIT */
/*
 * Blobs in two directories: where one is made, how it goes from one to the other, and that whoever opens it by its
 * name finds it at any moment.
 */
#include "store/blob_away.h"

#include <signal.h>

#include "blob_fixture.h"

#define MIB (UINT64_C(1) << 20)

static int away_fd;

static void setup(void)
{
	(void)signal(SIGIO, SIG_IGN);
	blobs_setup();
	away_fd = make_dir(scratch.fd, "away");
	blobs_set_away(fix.blobs, away_fd);
}

static void teardown(void)
{
	away_fd = safe_close(away_fd);
	blobs_teardown();
}

static bool is_in(int dirfd, const struct blob_name *name)
{
	return faccessat(dirfd, name->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct blob_name make(const char *file, unsigned seed, bool away)
{
	_cleanup_close_ int fd = make_content(file, MIB, seed);
	struct blob_source source = { .fd = fd, .bytes = MIB, .hash = DIGITS };
	struct blob_name name;

	ck_assert_int_eq(away ? blob_make_away(fix.blobs, &source, &name)
			      : blob_make(fix.blobs, &source, &name),
			 0);
	blob_unpin(fix.blobs, &name);
	return name;
}

static bool reads(const struct blob_name *name, unsigned seed)
{
	_cleanup_close_ int fd = blob_open(fix.blobs, name);

	return fd >= 0 && has_content(fd, MIB, seed);
}

static struct blob_away_counts counts(void)
{
	struct blob_away_counts n;

	blob_count_away(fix.blobs, &n);
	return n;
}

START_TEST(made_away_it_is_there_only)
{
	struct blob_name name = make("f", 1, true);
	struct stat st;

	ck_assert(is_in(away_fd, &name) && !is_in(fix.blobs_fd, &name));
	ck_assert(blob_is_away(fix.blobs, &name));
	ck_assert(reads(&name, 1));
	ck_assert_int_eq(blob_stat(fix.blobs, &name, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0400);
	ck_assert_uint_eq(counts().blobs, 1);
	ck_assert_uint_eq(counts().bytes, MIB);
	ck_assert_uint_gt(counts().free_bytes, 0);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), 0);
	ck_assert(!is_in(away_fd, &name));
	ck_assert_uint_eq(counts().blobs, 0);
	ck_assert_uint_eq(counts().bytes, 0);
	ck_assert_int_eq(blob_open(fix.blobs, &name), -ENOENT);
}
END_TEST

/* Whatever the order, and whatever has gone away since. */
START_TEST(no_name_is_given_twice)
{
	struct blob_name a = make("a", 1, true);
	struct blob_name b = make("b", 2, false);
	struct blob_name c;

	ck_assert_int_eq(blob_send(fix.blobs, &b, NULL, NULL), 0);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &b), 0);
	ck_assert_int_eq(blob_leave_end(fix.blobs, &b, true), 0);
	c = make("c", 3, false);
	ck_assert(!blob_name_equal(&a, &b) && !blob_name_equal(&b, &c) && !blob_name_equal(&a, &c));
	ck_assert(reads(&a, 1) && reads(&b, 2) && reads(&c, 3));
	c = make("d", 4, true);
	ck_assert(!blob_name_equal(&a, &c) && reads(&c, 4));
}
END_TEST

START_TEST(it_is_found_all_the_way)
{
	struct blob_name name = make("f", 1, false);
	_cleanup_close_ int before = blob_open(fix.blobs, &name);

	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), -ENOENT);
	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), 0);
	ck_assert(is_in(away_fd, &name) && is_in(fix.blobs_fd, &name));
	ck_assert(!blob_is_away(fix.blobs, &name) && reads(&name, 1));
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), -EBUSY);
	ck_assert(reads(&name, 1));
	ck_assert_int_eq(blob_leave_end(fix.blobs, &name, true), 0);
	ck_assert(blob_is_away(fix.blobs, &name) && reads(&name, 1));
	ck_assert(has_content(before, MIB, 1));
	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), -ENOENT);
	ck_assert_uint_eq(counts().blobs, 1);
}
END_TEST

/* Which of the two copies an open gets is told by who has that one in use. */
START_TEST(who_opens_one_that_leaves_gets_the_other_copy)
{
	struct blob_name name = make("f", 1, false);
	int fd = blob_open(fix.blobs, &name);

	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), 0);
	ck_assert_int_eq(blob_in_use_here(fix.blobs, &name), 1);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 1);
	(void)close(fd);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), 0);
	fd = blob_open(fix.blobs, &name);
	ck_assert_int_eq(blob_in_use_here(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 1);
	ck_assert_int_eq(blob_leave_end(fix.blobs, &name, false), -ECANCELED);
	(void)close(fd);
	ck_assert(is_in(fix.blobs_fd, &name));
	fd = blob_open(fix.blobs, &name);
	ck_assert_int_eq(blob_in_use_here(fix.blobs, &name), 1);
	(void)close(fd);
	ck_assert_int_eq(blob_in_use(fix.blobs, &(struct blob_name){ DIGITS "-9" }), 0);
}
END_TEST

START_TEST(what_is_pinned_or_doomed_does_not_leave)
{
	struct blob_name name = make("f", 1, false);

	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), 0);
	ck_assert_int_eq(blob_pin(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), -EBUSY);
	blob_unpin(fix.blobs, &name);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), -EBUSY);
	blob_spare(fix.blobs, &name);
	ck_assert_int_eq(blob_leave_begin(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), -EBUSY);
	ck_assert_int_eq(blob_pin(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_leave_end(fix.blobs, &name, true), -EBUSY);
	ck_assert(is_in(fix.blobs_fd, &name));
	blob_unpin(fix.blobs, &name);
	ck_assert(!blob_is_pinned(fix.blobs, &name));
}
END_TEST

/* Garbage goes from both. */
START_TEST(one_that_did_not_leave_is_removed_whole)
{
	struct blob_name name = make("f", 1, false);

	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), 0);
	ck_assert_int_eq(blob_send(fix.blobs, &name, NULL, NULL), 0); /* once is enough */
	ck_assert_uint_eq(counts().blobs, 1);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), 0);
	ck_assert(!is_in(away_fd, &name) && !is_in(fix.blobs_fd, &name));
	ck_assert_uint_eq(counts().blobs, 0);
}
END_TEST

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static int refuse(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return -EIO;
}

START_TEST(nothing_is_left_of_a_failure)
{
	struct blob_name name = make("f", 1, false);
	_cleanup_close_ int fd = make_content("g", MIB, 2);
	struct blob_source source = { .fd = fd, .bytes = MIB, .hash = DIGITS, .check = refuse };
	struct blob_name other;

	ck_assert_int_eq(blob_send(fix.blobs, &name, never, NULL), -ECANCELED);
	ck_assert_int_eq(blob_make_away(fix.blobs, &source, &other), -EIO);
	source.check = NULL;
	source.may = never;
	ck_assert_int_eq(blob_make_away(fix.blobs, &source, &other), -ECANCELED);
	ck_assert_int_eq(count_entries(away_fd), 0);
	ck_assert_uint_eq(counts().blobs, 0);
	ck_assert(reads(&name, 1));
	ck_assert(blob_away_has_room(fix.blobs, 1));
	ck_assert(!blob_away_has_room(fix.blobs, UINT64_MAX));
}
END_TEST

static int note(void *arg, const struct blob_info *info, const char *entry)
{
	int *n = arg;

	ck_assert_str_eq(info->name.text, entry);
	n[info->away]++;
	return 0;
}

/* Once each, and by who takes another process's place they are counted. */
START_TEST(all_are_listed_and_counted_anew)
{
	struct blob_name here = make("a", 1, false);
	int n[2] = { 0 };

	(void)make("b", 2, true);
	ck_assert_int_eq(blob_send(fix.blobs, &here, NULL, NULL), 0);
	ck_assert_int_eq(blob_each(fix.blobs, note, n), 0);
	ck_assert_int_eq(n[false], 1);
	ck_assert_int_eq(n[true], 1);
	blobs_set_away(fix.blobs, away_fd);
	ck_assert_uint_eq(counts().blobs, 2);
	ck_assert_uint_eq(counts().bytes, 2 * MIB);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		made_away_it_is_there_only,
		no_name_is_given_twice,
		it_is_found_all_the_way,
		who_opens_one_that_leaves_gets_the_other_copy,
		what_is_pinned_or_doomed_does_not_leave,
		one_that_did_not_leave_is_removed_whole,
		nothing_is_left_of_a_failure,
		all_are_listed_and_counted_anew,
	};

	return RUN_TESTS("blob_away", tests, setup, teardown);
}
