/* SPDX-License-Identifier: MIT */
/*
 * Looking for the next request before sleeping: kept up while it is of use, seldom tried while it is not. A pipe
 * stands for the device.
 */
#include "fuse/spin.h"

#include <unistd.h>

#include "scratch.h"

/* More requests than pass between two tries. */
#define MANY 1000

static struct spin spin;
static int fds[2];

static void setup(void)
{
	spin = (struct spin){ 0 };
	ck_assert_int_eq(pipe(fds), 0);
}

static void teardown(void)
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void put_request(void)
{
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

/* Requests until one look was made; they come at once or late. */
static void wait_until_looked(void)
{
	unsigned int before = 0;

	do {
		before = spin.served;
		spin_wait(&spin, fds[0]);
	} while (spin.served > before);
}

START_TEST(finding_keeps_it_up)
{
	put_request();
	wait_until_looked();
	ck_assert_uint_eq(spin.credit, 1);
	spin_wait(&spin, fds[0]); /* looks at once now */
	ck_assert_uint_eq(spin.credit, 2);
}
END_TEST

START_TEST(missing_ends_it)
{
	char request;

	put_request();
	wait_until_looked();
	ck_assert_int_eq(read(fds[0], &request, 1), 1);
	spin_wait(&spin, fds[0]);
	ck_assert_uint_eq(spin.credit, 0);
}
END_TEST

START_TEST(without_success_it_is_tried_seldom)
{
	unsigned int looks = 0;

	for (int i = 0; i < MANY; i++) {
		unsigned int before = spin.served;

		spin_wait(&spin, fds[0]);
		looks += spin.served <= before;
	}
	ck_assert_uint_ge(looks, 1);
	ck_assert_uint_le(looks, MANY / 32);
}
END_TEST

START_TEST(credit_has_an_end)
{
	char request;
	int looks = 0;

	put_request();
	for (int i = 0; i < MANY; i++)
		spin_wait(&spin, fds[0]);
	ck_assert_int_eq(read(fds[0], &request, 1), 1);
	for (; spin.credit > 0; looks++)
		spin_wait(&spin, fds[0]);
	ck_assert_int_le(looks, 10);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		finding_keeps_it_up,
		missing_ends_it,
		without_success_it_is_tried_seldom,
		credit_has_an_end,
	};

	return RUN_TESTS("spin", tests, setup, teardown);
}
