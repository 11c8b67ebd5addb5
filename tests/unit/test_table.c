/* SPDX-License-Identifier: MIT */
/*
 * The columns of the client. The client is no library: its sources are included.
 */
#include "../../tools/table.c"

#include <check.h>

#include "unit.h"

static const struct table_column columns[] = {
	{ "ID", TABLE_LEFT },
	{ "BYTES", TABLE_RIGHT },
	{ "NOTE", TABLE_LEFT },
};

/* Prints `rows` rows of three cells; the caller frees the text. */
static char *printed(const struct table_column *c, const char *const *cells, size_t rows)
{
	_cleanup_(table_freep) struct table *t = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(table_new(c, 3, &t), 0);
	for (size_t i = 0; i < rows; i++)
		ck_assert_int_eq(table_row(t, cells + 3 * i), 0);
	table_print(t, f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
	static const char *const cells[] = { "4711", "1", "a", "1", "1000000", "b" };
	_cleanup_free_ char *text = printed(columns, cells, 2);

	ck_assert_str_eq(text, "ID      BYTES  NOTE\n"
			       "4711        1  a\n"
			       "1     1000000  b\n");
}
END_TEST

START_TEST(no_line_ends_in_blanks)
{
	static const char *const cells[] = { "4711", "", "", "", "22", "" };
	_cleanup_free_ char *text = printed(columns, cells, 2);

	ck_assert_str_eq(text, "ID    BYTES  NOTE\n"
			       "4711\n"
			       "         22\n");
}
END_TEST

START_TEST(control_characters_are_not_printed)
{
	static const char *const cells[] = { "\033[2J", "a\nb", "\177" };
	_cleanup_free_ char *text = printed(columns, cells, 1);

	ck_assert_str_eq(text, "ID    BYTES  NOTE\n"
			       "?[2J    a?b  ?\n");
}
END_TEST

START_TEST(width_is_counted_in_characters)
{
	static const char *const cells[] = { "\xc3\xa4\xc3\xb6", "1", "x", "ab", "2", "y" };
	_cleanup_free_ char *text = printed(columns, cells, 2);

	ck_assert_str_eq(text, "ID  BYTES  NOTE\n"
			       "\xc3\xa4\xc3\xb6      1  x\n"
			       "ab      2  y\n");
}
END_TEST

START_TEST(without_titles_there_is_no_title_line)
{
	static const struct table_column bare[] = { { NULL, TABLE_LEFT },
						    { NULL, TABLE_LEFT },
						    { NULL, TABLE_LEFT } };
	static const char *const cells[] = { "a", "b", "c" };
	_cleanup_free_ char *text = printed(bare, cells, 1);

	ck_assert_str_eq(text, "a  b  c\n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		columns_are_as_wide_as_their_widest_cell, no_line_ends_in_blanks,
		control_characters_are_not_printed,	  width_is_counted_in_characters,
		without_titles_there_is_no_title_line,
	};

	return RUN_TESTS("table", tests, NULL, NULL);
}
