/* SPDX-License-Identifier: MIT */
#include "util/quote.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void check_quoted(const char *text, const char *wanted)
{
	char buf[128];

	ck_assert_uint_eq(quote(text, buf, sizeof(buf)), strlen(wanted));
	ck_assert_str_eq(buf, wanted);
}

START_TEST(ordinary_text_stays)
{
	check_quoted("", "\"\"");
	check_quoted("4711/input.bin", "\"4711/input.bin\"");
	check_quoted("Gr\xc3\xb6\xc3\x9f"
		     "e \xe2\x82\xac \xf0\x9f\x98\x80",
		     "\"Gr\xc3\xb6\xc3\x9f"
		     "e \xe2\x82\xac \xf0\x9f\x98\x80\"");
}
END_TEST

START_TEST(nothing_ends_the_line_or_the_quotes)
{
	check_quoted("a\nb\r\t", "\"a\\x0ab\\x0d\\x09\"");
	check_quoted("a\"b\\c", "\"a\\\"b\\\\c\"");
	check_quoted("\x1b[2J\x7f", "\"\\x1b[2J\\x7f\"");
}
END_TEST

START_TEST(controls_of_eight_bits_are_escaped)
{
	check_quoted("\xc2\x9b"
		     "2J",
		     "\"\\xc2\\x9b2J\"");
	check_quoted("\xc2\xa0", "\"\xc2\xa0\"");
}
END_TEST

START_TEST(what_is_no_utf8_is_escaped)
{
	check_quoted("\x9b\xff", "\"\\x9b\\xff\"");
	check_quoted("\xc0\x8a", "\"\\xc0\\x8a\"");	     /* a newline, in too many bytes */
	check_quoted("\xed\xa0\x80", "\"\\xed\\xa0\\x80\""); /* half of a pair */
	check_quoted("\xe2\x82", "\"\\xe2\\x82\"");	     /* ends too early */
	check_quoted("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""); /* beyond Unicode */
}
END_TEST

/* At every length there is a quote at the end, and nothing is written beyond. */
START_TEST(a_cut_is_marked)
{
	static const char text[] = "ab\"c\n\xc3\xb6\xc2\x9b-and-so-on";
	char whole[128];
	size_t full = quote(text, whole, sizeof(whole));

	for (size_t len = 6; len <= full + 1; len++) {
		char buf[128];
		size_t n;

		memset(buf, 'X', sizeof(buf));
		n = quote(text, buf, len);
		ck_assert_uint_lt(n, len);
		ck_assert_uint_eq(strlen(buf), n);
		ck_assert_int_eq(buf[n - 1], '"');
		ck_assert_int_eq(buf[len], 'X');
		if (n < full)
			ck_assert_int_eq(memcmp(buf + n - 4, "...", 3), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ordinary_text_stays,
		nothing_ends_the_line_or_the_quotes,
		controls_of_eight_bits_are_escaped,
		what_is_no_utf8_is_escaped,
		a_cut_is_marked,
	};

	return RUN_TESTS("quote", tests, NULL, NULL);
}
