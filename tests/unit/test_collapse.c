/* SPDX-License-Identifier: MIT */
/*
 * Collapsing into huge pages, on a file in memory.
 */
#include "seal/collapse.h"

#include <sys/mman.h>

#include "scratch.h"

#define PIECE (UINT64_C(64) << 10)

static int file;
static int asked;
static int allowed;

static void setup(void)
{
	file = memfd_create("collapse", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	asked = 0;
	allowed = INT32_MAX;
}

static void teardown(void)
{
	(void)close(file);
}

static bool may(void *ctx, uint64_t bytes)
{
	ck_assert_ptr_eq(ctx, &file);
	ck_assert_uint_le(bytes, COLLAPSE_PIECE);
	ck_assert_uint_eq(bytes % COLLAPSE_PAGE, 0);
	return asked++ < allowed;
}

/* Bytes that tell where they are. */
static void fill(uint64_t from, uint64_t len)
{
	uint64_t words[PIECE / 8];

	for (uint64_t at = from; at < from + len;) {
		uint64_t n = MIN_OF(PIECE, from + len - at);

		for (uint64_t i = 0; i < PIECE / 8; i++)
			words[i] = at + i * 8;
		ck_assert_int_eq(pwrite(file, words, n, (off_t)at), (ssize_t)n);
		at += n;
	}
}

static void assert_filled(uint64_t from, uint64_t len)
{
	uint64_t words[PIECE / 8];

	for (uint64_t at = from; at < from + len; at += PIECE) {
		uint64_t n = MIN_OF(PIECE, from + len - at);

		ck_assert_int_eq(pread(file, words, n, (off_t)at), (ssize_t)n);
		for (uint64_t i = 0; i < n / 8; i++)
			ck_assert_uint_eq(words[i], at + i * 8);
	}
}

static uint64_t allocated(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(file, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* A kernel or machine that has no huge pages to give, or moves the small ones just now, leaves the file as it is. */
static int collapse(uint64_t *ret)
{
	int r = collapse_fd(file, may, &file, ret);

	ck_assert_msg(r == 0 || r == -EINVAL || r == -ENOMEM || r == -EBUSY || r == -EAGAIN, "%s",
		      strerror(-r));
	return r;
}

START_TEST(whole_pages_without_the_tail)
{
	uint64_t done;

	fill(0, 3 * COLLAPSE_PAGE + PIECE);
	if (collapse(&done) == 0)
		ck_assert_uint_eq(done, 3 * COLLAPSE_PAGE);
	assert_filled(0, 3 * COLLAPSE_PAGE + PIECE);
	ck_assert_uint_eq(allocated(), 3 * COLLAPSE_PAGE + PIECE);
	if (collapse(&done) == 0) /* again: nothing to do is success */
		ck_assert_uint_eq(done, 3 * COLLAPSE_PAGE);
}
END_TEST

START_TEST(small_files_are_not_touched)
{
	uint64_t done = 1;

	ck_assert_int_eq(collapse_fd(file, may, &file, &done), 0);
	ck_assert_uint_eq(done, 0);
	fill(0, COLLAPSE_PAGE - PIECE);
	ck_assert_int_eq(collapse_fd(file, may, &file, &done), 0);
	ck_assert_uint_eq(done, 0);
	ck_assert_int_eq(asked, 0);
	ck_assert_uint_eq(allocated(), COLLAPSE_PAGE - PIECE);
}
END_TEST

START_TEST(holes_stay_holes)
{
	uint64_t done;

	ck_assert_int_eq(ftruncate(file, 16 * COLLAPSE_PAGE), 0);
	fill(2 * COLLAPSE_PAGE, COLLAPSE_PAGE);		    /* whole */
	fill(4 * COLLAPSE_PAGE + PIECE, COLLAPSE_PAGE);	    /* across two */
	fill(8 * COLLAPSE_PAGE - PIECE, COLLAPSE_PAGE * 2); /* one whole */
	if (collapse(&done) == 0)
		ck_assert_uint_eq(done, 2 * COLLAPSE_PAGE);
	ck_assert_uint_eq(allocated(), 4 * COLLAPSE_PAGE);
	assert_filled(4 * COLLAPSE_PAGE + PIECE, COLLAPSE_PAGE);
}
END_TEST

START_TEST(stops_when_told)
{
	uint64_t done = 1;

	fill(0, 2 * COLLAPSE_PAGE);
	allowed = 0;
	ck_assert_int_eq(collapse_fd(file, may, &file, &done), -ECANCELED);
	ck_assert_uint_eq(done, 0);
	assert_filled(0, 2 * COLLAPSE_PAGE);
}
END_TEST

START_TEST(asks_for_each_piece)
{
	uint64_t done;

	fill(0, COLLAPSE_PIECE + COLLAPSE_PAGE);
	allowed = 1;
	if (collapse_fd(file, may, &file, &done) == -ECANCELED) {
		ck_assert_int_eq(asked, 2);
		ck_assert(done == COLLAPSE_PIECE || done == 0); /* 0: a page of it was busy */
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		whole_pages_without_the_tail,
		small_files_are_not_touched,
		holes_stay_holes,
		stops_when_told,
		asks_for_each_piece,
	};

	return RUN_TESTS("collapse", tests, setup, teardown);
}
