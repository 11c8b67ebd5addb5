/* SPDX-License-Identifier: MIT */
/*
 * Marks, and how full a store is.
 */
#include "store/room.h"

#include <errno.h>

#include "scratch.h"

static struct room_mark mark(const char *text)
{
	struct room_mark m;

	ck_assert_msg(room_parse_mark(text, &m) == 0, "%s", text);
	return m;
}

static struct room_excess over(const struct room *room, const char *text)
{
	struct room_mark m = mark(text);
	struct room_excess x;

	room_excess(room, &m, &x);
	return x;
}

START_TEST(marks_are_shares_or_sizes)
{
	static const char *const good[][2] = {
		{ "90%", "90%" },      { "99.5%", "99.5%" }, { "2G", "2.00 GiB" },
		{ "512M", "512 MiB" }, { "never", "never" },
	};
	static const char *const bad[] = {
		"", "100%", "0%", "-1%", "120%", "0", "90", "many", "5%%"
	};
	struct room_mark m;
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		m = mark(good[i][0]);
		ck_assert_str_eq(room_format_mark(&m, buf, sizeof(buf)), good[i][1]);
		ck_assert_int_eq(room_mark_is_set(&m), strcmp(good[i][0], "never") != 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(room_parse_mark(bad[i], &m) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(low_leaves_more_free_than_high)
{
	struct room_mark high = mark("90%");
	struct room_mark low = room_default_low(&high);

	ck_assert_double_eq_tol(low.percent, 75, 0.001);
	ck_assert(room_marks_fit(&high, &low, 1000));
	ck_assert(!room_marks_fit(&high, &high, 1000));
	high = mark("1G");
	low = room_default_low(&high);
	ck_assert_uint_eq(low.free_bytes, UINT64_C(2) << 30);
	ck_assert(room_marks_fit(&high, &low, UINT64_C(8) << 30));
	low = mark("50%");
	ck_assert(room_marks_fit(&high, &low, UINT64_C(8) << 30));
	ck_assert(!room_marks_fit(&high, &low, UINT64_C(1) << 30)); /* high alone wants all of it */
}
END_TEST

START_TEST(what_is_beyond_a_mark)
{
	struct room room = { .bytes = { 800, 1000 }, .inodes = { 10, 100 } };
	struct room_mark high = mark("90%");

	ck_assert(!room_is_over(&(struct room_excess){ 0 }));
	ck_assert_uint_eq(over(&room, "90%").bytes, 0);
	ck_assert_uint_eq(over(&room, "75%").bytes, 50);
	ck_assert_uint_eq(over(&room, "300").bytes, 100); /* to be left free */
	ck_assert_uint_eq(over(&room, "2000").bytes, 800);
	ck_assert_uint_eq(over(&room, "never").bytes, 0);
	ck_assert_uint_eq(room_left_bytes(&room, &high), 100);
	room.inodes.used = 95;
	ck_assert_uint_eq(over(&room, "90%").inodes, 5);
	ck_assert_uint_eq(over(&room, "300").inodes, 0);
	room.memory = (struct room_part){ 970, 1000 }; /* the control group is tighter */
	ck_assert_uint_eq(over(&room, "90%").bytes, 70);
	ck_assert_uint_eq(room_left_bytes(&room, &high), 0);
	high = mark("never");
	ck_assert_uint_eq(room_left_bytes(&room, &high), UINT64_MAX);
}
END_TEST

START_TEST(of_a_filesystem)
{
	struct store st = { .fd = scratch.fd, .filesystem = "tmpfs" };
	struct room room;

	ck_assert_int_eq(room_look(&st, &room), 0);
	ck_assert_uint_gt(room.bytes.total, 0);
	ck_assert_uint_le(room.bytes.used, room.bytes.total);
	st.fd = -1;
	ck_assert_int_eq(room_look(&st, &room), -EBADF);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		marks_are_shares_or_sizes,
		low_leaves_more_free_than_high,
		what_is_beyond_a_mark,
		of_a_filesystem,
	};

	return RUN_TESTS("room", tests, scratch_setup, scratch_teardown);
}
