/* SPDX-License-Identifier: MIT */
/*
 * Bytes made text, which JSON takes.
 */
#include <check.h>
#include <jansson.h>
#include <string.h>

#include "unit.h"
#include "util/cleanup.h"
#include "util/utf8.h"

#define BAD "\xef\xbf\xbd"

START_TEST(bytes_become_valid_utf8)
{
	static const struct {
		const char *bytes;
		const char *text;
	} rows[] = {
		{ "", "" },
		{ "node", "node" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\x80", BAD },			 /* continues nothing */
		{ "\xc3", BAD },			 /* cut */
		{ "\xc3(", BAD "(" },			 /* not continued */
		{ "\xc0\xaf", BAD BAD },		 /* longer than need be */
		{ "\xe0\x80\xaf", BAD BAD BAD },	 /* the same */
		{ "\xed\xa0\x80", BAD BAD BAD },	 /* half a surrogate pair */
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD }, /* above U+10FFFF */
		{ "\xff\xfe", BAD BAD },
		{ "a\xf0\x9f\x98", "a" BAD BAD BAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = utf8_dup(rows[i].bytes, 100);
		_cleanup_(json_decrefp) json_t *value = json_string(text);

		ck_assert_str_eq(text, rows[i].text);
		ck_assert_ptr_nonnull(value);
	}
}
END_TEST

START_TEST(no_byte_after_the_maximum_is_read)
{
	static const char four[4] = { 'n', 'o', 'd', '\xc3' };
	_cleanup_free_ char *text = utf8_dup(four, sizeof(four));

	ck_assert_str_eq(text, "nod" BAD);
}
END_TEST

START_TEST(every_string_of_two_bytes_can_be_printed)
{
	for (int i = 0; i < 65536; i++) {
		char bytes[2] = { (char)(i >> 8), (char)i };
		_cleanup_free_ char *text = utf8_dup(bytes, sizeof(bytes));
		_cleanup_(json_decrefp) json_t *value = json_string(text);

		ck_assert_ptr_nonnull(value);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		bytes_become_valid_utf8,
		no_byte_after_the_maximum_is_read,
		every_string_of_two_bytes_can_be_printed,
	};

	return RUN_TESTS("utf8", tests, NULL, NULL);
}
