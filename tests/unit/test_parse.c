/* SPDX-License-Identifier: MIT */
/* Numbers with units: what is accepted, what is refused, and that a refusal writes nothing. */
#include "util/parse.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define UNTOUCHED 4711

struct number {
	const char *text;
	int result;
	uint64_t value; /* if result is 0 */
};

static void check_u64(int (*parse)(const char *, uint64_t *), const struct number *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = UNTOUCHED;
		int r = parse(t[i].text, &v);

		ck_assert_msg(r == t[i].result, "\"%s\": %d, expected %d", t[i].text, r,
			      t[i].result);
		ck_assert_msg(v == (r ? UNTOUCHED : t[i].value), "\"%s\": %llu", t[i].text,
			      (unsigned long long)v);
	}
}

START_TEST(u64_takes_decimal_digits_only)
{
	static const struct number t[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
	};

	check_u64(parse_u64, t, ARRAY_SIZE(t));
}
END_TEST

START_TEST(size_takes_binary_units)
{
	static const struct number t[] = {
		{ "512", 0, 512 },
		{ "512B", 0, 512 },
		{ "64K", 0, 64 << 10 },
		{ "64k", 0, 64 << 10 },
		{ "1.5G", 0, UINT64_C(3) << 29 },
		{ "2GiB", 0, UINT64_C(2) << 30 },
		{ "3T", 0, UINT64_C(3) << 40 },
		{ "0", 0, 0 },
		{ "9007199254740993", 0, UINT64_C(9007199254740993) }, /* 2^53 + 1 */
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "1.K", -EINVAL, 0 },
		{ ".5K", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
		{ "10%", -EINVAL, 0 },
		{ "99999999T", -ERANGE, 0 },
		{ "9000000000000000000", 0, UINT64_C(9000000000000000000) },
		{ "12459150911428624384", -ERANGE, 0 }, /* with a unit, it is */
	};

	check_u64(parse_size, t, ARRAY_SIZE(t));
}
END_TEST

static int parse_share_of_1000(const char *s, uint64_t *ret)
{
	return parse_share(s, 1000, ret);
}

START_TEST(share_takes_percent_or_size)
{
	static const struct number t[] = {
		{ "25%", 0, 250 },	{ "0.5%", 0, 5 },      { "100%", 0, 1000 },
		{ "64K", 0, 64 << 10 }, { "0%", -ERANGE, 0 },  { "101%", -ERANGE, 0 },
		{ "%", -EINVAL, 0 },	{ "5%%", -EINVAL, 0 }, { "5%K", -EINVAL, 0 },
		{ "-5%", -EINVAL, 0 },	{ "32.3%", 0, 323 },
	};

	check_u64(parse_share_of_1000, t, ARRAY_SIZE(t));
}
END_TEST

/* A machine that does not say how much it has: no double holds that number. */
START_TEST(share_is_no_more_than_the_whole)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(parse_share("100%", UINT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, UINT64_MAX);
	ck_assert_int_eq(parse_share("100%", INT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, INT64_MAX);
	ck_assert_int_eq(parse_share("50%", UINT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, UINT64_C(1) << 63);
}
END_TEST

static int parse_duration_u64(const char *s, uint64_t *ret)
{
	int64_t ns = UNTOUCHED;
	int r = parse_duration(s, &ns);

	*ret = (uint64_t)ns;
	return r;
}

START_TEST(duration_takes_units_and_sums)
{
	static const struct number t[] = {
		{ "90", 0, UINT64_C(90000000000) },
		{ "90s", 0, UINT64_C(90000000000) },
		{ "250ms", 0, UINT64_C(250000000) },
		{ "30m", 0, UINT64_C(1800000000000) },
		{ "1h30m", 0, UINT64_C(5400000000000) },
		{ "7d", 0, UINT64_C(604800000000000) },
		{ "1w", 0, UINT64_C(604800000000000) },
		{ "1.5s", 0, UINT64_C(1500000000) },
		{ "0", 0, 0 },
		{ "", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "h", -EINVAL, 0 },
		{ "1y", -EINVAL, 0 },
		{ "-1h", -EINVAL, 0 },
		{ "1h 30m", -EINVAL, 0 },
		{ "never", -EINVAL, 0 },
		{ "999999w", -ERANGE, 0 },
	};

	check_u64(parse_duration_u64, t, ARRAY_SIZE(t));
}
END_TEST

START_TEST(mode_takes_octal_permissions)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value;
	} t[] = {
		{ "022", 0, 022 },	 { "7777", 0, 07777 },	{ "0", 0, 0 },
		{ "10000", -ERANGE, 0 }, { "8", -EINVAL, 0 },	{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },	 { "0o7", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t v = UNTOUCHED;

		ck_assert_int_eq(parse_mode(t[i].text, &v), t[i].result);
		ck_assert_uint_eq(v, t[i].result ? UNTOUCHED : t[i].value);
	}
}
END_TEST

START_TEST(bool_takes_eight_words)
{
	static const char *const yes[] = { "on", "yes", "true", "1", "ON" };
	static const char *const no[] = { "off", "no", "false", "0", "False" };
	bool v;

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		v = false;
		ck_assert_int_eq(parse_bool(yes[i], &v), 0);
		ck_assert(v);
		ck_assert_int_eq(parse_bool(no[i], &v), 0);
		ck_assert(!v);
	}
	v = true;
	ck_assert_int_eq(parse_bool("", &v), -EINVAL);
	ck_assert_int_eq(parse_bool("2", &v), -EINVAL);
	ck_assert_int_eq(parse_bool("onn", &v), -EINVAL);
	ck_assert(v);
}
END_TEST

START_TEST(sizes_are_formatted_for_people)
{
	char buf[32];

	ck_assert_str_eq(format_size(0, buf, sizeof(buf)), "0 B");
	ck_assert_str_eq(format_size(1023, buf, sizeof(buf)), "1023 B");
	ck_assert_str_eq(format_size(1024, buf, sizeof(buf)), "1.00 KiB");
	ck_assert_str_eq(format_size(UINT64_C(3) << 29, buf, sizeof(buf)), "1.50 GiB");
	ck_assert_str_eq(format_size(100 << 20, buf, sizeof(buf)), "100 MiB");
	ck_assert_str_eq(format_size(UINT64_MAX, buf, sizeof(buf)), "16.0 EiB");
}
END_TEST

START_TEST(durations_are_formatted_for_people)
{
	char buf[32];

	ck_assert_str_eq(format_duration(INT64_C(250000000), buf, sizeof(buf)), "0.25 s");
	ck_assert_str_eq(format_duration(INT64_C(90000000000), buf, sizeof(buf)), "1m 30s");
	ck_assert_str_eq(format_duration(INT64_C(5400000000000), buf, sizeof(buf)), "1h 30m");
	ck_assert_str_eq(format_duration(INT64_C(90000000000000), buf, sizeof(buf)), "1d 1h");
}
END_TEST

START_TEST(a_short_buffer_is_not_overrun)
{
	char buf[8] = "xxxxxxx";

	(void)format_size(UINT64_C(3) << 29, buf, 4);
	ck_assert_str_eq(buf, "1.5");
	ck_assert_int_eq(buf[4], 'x');
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		u64_takes_decimal_digits_only,	size_takes_binary_units,
		share_takes_percent_or_size,	duration_takes_units_and_sums,
		mode_takes_octal_permissions,	bool_takes_eight_words,
		sizes_are_formatted_for_people, durations_are_formatted_for_people,
		a_short_buffer_is_not_overrun,	share_is_no_more_than_the_whole,
	};

	return RUN_TESTS("parse", tests, NULL, NULL);
}
