/* SPDX-License-Identifier: MIT */
/*
 * Names of blobs, how they are made and removed, and what a pin is good for.
 */
#include "store/blob.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include "blob_fixture.h"

#define MIB (UINT64_C(1) << 20)

START_TEST(names_that_are_valid)
{
	static const char *const valid[] = { DIGITS "-0", DIGITS "-104857600",
					     DIGITS "-18446744073709551615-4294967295",
					     DIGITS "-7-1" };
	static const char *const invalid[] = { "",
					       DIGITS,
					       DIGITS "-",
					       DIGITS "-01",
					       DIGITS "-7-",
					       DIGITS "-7-0",
					       DIGITS "-7-x",
					       DIGITS "-7-1-1",
					       DIGITS "-7-4294967296",
					       DIGITS "-18446744073709551616",
					       DIGITS "/../../etc",
					       "0123456789ABCDEF0123456789abcdef-7",
					       "0123456789abcdef0123456789abcdeg-7",
					       "short-7" };
	struct blob_name name;

	for (size_t i = 0; i < ARRAY_SIZE(valid); i++) {
		ck_assert_int_eq(blob_name_parse(valid[i], &name), 0);
		ck_assert_str_eq(name.text, valid[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
		ck_assert_msg(blob_name_parse(invalid[i], &name) == -EINVAL, "'%s'", invalid[i]);
	ck_assert_int_eq(blob_name_parse(DIGITS "-104857600-3", &name), 0);
	ck_assert_uint_eq(blob_name_bytes(&name), 104857600);
}
END_TEST

static void blob_has_what_the_source_had(void)
{
	_cleanup_close_ int fd = make_content("f", 3 * MIB + 5, 1);
	struct blob_name name = blob_of(fd, DIGITS);
	_cleanup_close_ int blob = blob_open(fix.blobs, &name);
	struct stat st;

	ck_assert_str_eq(name.text, DIGITS "-3145733");
	ck_assert(has_content(blob, 3 * MIB + 5, 1));
	st = stat_of(blob);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0400);
	ck_assert_uint_eq(st.st_uid, 0);
	ck_assert_uint_eq(st.st_nlink, 1);
}

START_TEST(blob_is_a_copy)
{
	blob_has_what_the_source_had();
	blobs_on_tmpfs();
	blob_has_what_the_source_had();
}
END_TEST

static void blob_of_a_sparse_file(void)
{
	_cleanup_close_ int fd = make_content("f", MIB, 1);
	struct blob_name name;
	_cleanup_close_ int blob = -1;
	uint8_t byte = 1;

	put_bytes(fd, 40 * MIB, MIB, 1);
	ck_assert_int_eq(ftruncate(fd, 80 * MIB), 0);
	name = blob_of(fd, DIGITS);
	blob = blob_open(fix.blobs, &name);
	ck_assert_uint_eq(stat_of(blob).st_size, 80 * MIB);
	ck_assert_int_lt(stat_of(blob).st_blocks * 512, 8 * MIB);
	ck_assert_int_eq(copy_compare(fd, blob, 80 * MIB, NULL, NULL), 1);
	ck_assert_int_eq(pread(blob, &byte, 1, 60 * MIB), 1);
	ck_assert_uint_eq(byte, 0);
}

START_TEST(holes_stay_holes)
{
	blob_of_a_sparse_file();
	blobs_on_tmpfs();
	blob_of_a_sparse_file();
}
END_TEST

START_TEST(same_name_gets_a_number)
{
	_cleanup_close_ int one = make_content("1", 7, 1);
	_cleanup_close_ int two = make_content("2", 7, 2);
	struct blob_name a = blob_of(one, DIGITS);
	struct blob_name b = blob_of(two, DIGITS);
	_cleanup_close_ int fa = blob_open(fix.blobs, &a);
	_cleanup_close_ int fb = blob_open(fix.blobs, &b);

	ck_assert_str_eq(a.text, DIGITS "-7");
	ck_assert_str_eq(b.text, DIGITS "-7-1");
	ck_assert(has_content(fa, 7, 1) && has_content(fb, 7, 2));
}
END_TEST

static int refuse(void *ctx, int fd)
{
	(void)ctx;
	return has_content(fd, 7, 1) ? -EBADMSG : 0;
}

static bool may_not(void *ctx)
{
	(void)ctx;
	return false;
}

/* Nothing is asked where nothing is copied. */
static bool can_reflink(int fd)
{
	_cleanup_close_ int to = make_file(scratch.fd, "reflink", "");

	return ioctl(to, FICLONE, fd) == 0;
}

START_TEST(nothing_is_left_of_a_failure)
{
	_cleanup_close_ int fd = make_content("f", 7, 1);
	struct blob_source source = { .fd = fd, .bytes = 7, .hash = DIGITS, .check = refuse };
	struct blob_name name;
	int fds = count_fds();

	ck_assert_int_eq(blob_make(fix.blobs, &source, &name), -EBADMSG);
	source.check = NULL;
	source.may = may_not;
	if (!can_reflink(fd))
		ck_assert_int_eq(blob_make(fix.blobs, &source, &name), -ECANCELED);
	source.may = NULL;
	source.bytes = 8;
	ck_assert_int_eq(blob_make(fix.blobs, &source, &name), -EUCLEAN);
	ck_assert_int_eq(count_entries(fix.blobs_fd), 0);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(what_is_pinned_is_not_removed)
{
	_cleanup_close_ int fd = make_content("f", 7, 1);
	struct blob_name name = blob_of(fd, DIGITS);

	ck_assert(blob_is_pinned(fix.blobs, &name));
	ck_assert_int_eq(blob_doom(fix.blobs, &name), -EBUSY);
	ck_assert_int_eq(blob_pin(fix.blobs, &name), 0);
	blob_unpin(fix.blobs, &name);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), -EBUSY);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), -EBUSY);
	blob_unpin(fix.blobs, &name);
	ck_assert(!blob_is_pinned(fix.blobs, &name));
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), -EBUSY); /* not doomed */
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), 0);
	ck_assert_int_eq(count_entries(fix.blobs_fd), 0);
	ck_assert_int_eq(blob_open(fix.blobs, &name), -ENOENT);
}
END_TEST

START_TEST(a_pin_takes_back_the_doom)
{
	_cleanup_close_ int fd = make_content("f", 7, 1);
	struct blob_name name = blob_of(fd, DIGITS);

	blob_unpin(fix.blobs, &name);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_pin(fix.blobs, &name), 0);
	blob_unpin(fix.blobs, &name); /* also if it has been given back */
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), -EBUSY);

	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	blob_spare(fix.blobs, &name);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), -EBUSY);
	ck_assert_int_eq(count_entries(fix.blobs_fd), 1);
}
END_TEST

START_TEST(open_blob_outlives_its_name)
{
	_cleanup_close_ int fd = make_content("f", 7, 1);
	struct blob_name name = blob_of(fd, DIGITS);
	_cleanup_close_ int blob = blob_open(fix.blobs, &name);

	blob_unpin(fix.blobs, &name);
	ck_assert_int_eq(blob_doom(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &name), 0);
	ck_assert(has_content(blob, 7, 1));
}
END_TEST

struct seen {
	int blobs, others;
	uint64_t bytes;
};

static int see(void *arg, const struct blob_info *info, const char *entry)
{
	struct seen *s = arg;

	if (info->name.text[0]) {
		ck_assert_str_eq(info->name.text, entry);
		s->blobs++;
		s->bytes += info->bytes;
	} else {
		s->others++;
	}
	return 0;
}

static int stop(void *arg, const struct blob_info *info, const char *entry)
{
	(void)arg;
	(void)info;
	(void)entry;
	return 42;
}

START_TEST(all_are_listed)
{
	_cleanup_close_ int fd = make_content("f", 7, 1);
	struct seen seen = { 0 };

	for (int i = 0; i < 10; i++)
		(void)blob_of(fd, DIGITS);
	add_file(fix.blobs_fd, "stray", "x");
	ck_assert_int_eq(mkdirat(fix.blobs_fd, DIGITS "-9", 0700), 0);
	ck_assert_int_eq(blob_each(fix.blobs, see, &seen), 0);
	ck_assert_int_eq(seen.blobs, 10);
	ck_assert_int_eq(seen.others, 2);
	ck_assert_uint_eq(seen.bytes, 70);
	ck_assert_int_eq(blob_each(fix.blobs, stop, NULL), 42);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		names_that_are_valid,
		blob_is_a_copy,
		holes_stay_holes,
		same_name_gets_a_number,
		nothing_is_left_of_a_failure,
		what_is_pinned_is_not_removed,
		a_pin_takes_back_the_doom,
		open_blob_outlives_its_name,
		all_are_listed,
	};

	return RUN_TESTS("blob", tests, blobs_setup, blobs_teardown);
}
