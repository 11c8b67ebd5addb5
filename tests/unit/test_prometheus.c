/* SPDX-License-Identifier: MIT */
#include "util/prometheus.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static char *text;
static size_t len;
static FILE *out;

static void setup(void)
{
	out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(out);
}

static void teardown(void)
{
	free(text);
}

static void assert_written(const char *expected)
{
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_str_eq(text, expected);
}

START_TEST(family_of_one_sample)
{
	prom_one(out, "opens_total", PROM_COUNTER, "Opens of files.", 18446744073709551615u);
	assert_written("# HELP opens_total Opens of files.\n"
		       "# TYPE opens_total counter\n"
		       "opens_total 18446744073709551615\n");
}
END_TEST

START_TEST(label_values_are_escaped)
{
	prom_uint(out, "x", "path", "a\"b\\c\nd{,} é", 1);
	assert_written("x{path=\"a\\\"b\\\\c\\nd{,} é\"} 1\n");
}
END_TEST

START_TEST(label_values_are_utf8)
{
	prom_uint(out, "x", "path", "a\xff\xc3", 1);
	assert_written("x{path=\"a\xef\xbf\xbd\xef\xbf\xbd\"} 1\n");
}
END_TEST

START_TEST(info_has_all_its_labels)
{
	prom_info(out, "x_info", (const char *const[]){ "a", "1", "b", "", NULL });
	assert_written("x_info{a=\"1\",b=\"\"} 1\n");
}
END_TEST

START_TEST(seconds_are_exact)
{
	prom_seconds(out, "a", NULL, NULL, 0);
	prom_seconds(out, "a", NULL, NULL, 1);
	prom_seconds(out, "a", NULL, NULL, 1500000000);
	prom_seconds(out, "a", NULL, NULL, 18446744073709551615u);
	assert_written("a 0\na 0.000000001\na 1.5\na 18446744073.709551615\n");
}
END_TEST

START_TEST(histogram_buckets_add_up)
{
	static const uint64_t le_ns[] = { 1024, 1000000000 };
	static const uint64_t counts[] = { 1, 0, 2 };

	prom_histogram(out, "d_seconds", "op", "open", 2, le_ns, counts, 3000000001);
	assert_written("d_seconds_bucket{op=\"open\",le=\"0.000001024\"} 1\n"
		       "d_seconds_bucket{op=\"open\",le=\"1\"} 1\n"
		       "d_seconds_bucket{op=\"open\",le=\"+Inf\"} 3\n"
		       "d_seconds_sum{op=\"open\"} 3.000000001\n"
		       "d_seconds_count{op=\"open\"} 3\n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		family_of_one_sample,	 label_values_are_escaped, label_values_are_utf8,
		info_has_all_its_labels, seconds_are_exact,	   histogram_buckets_add_up,
	};

	return RUN_TESTS("prometheus", tests, setup, teardown);
}
