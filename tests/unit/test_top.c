/* SPDX-License-Identifier: MIT */
/*
 * What `baton top` makes of what a mount says. The client is no library: its sources are included.
 */
#include "../../tools/top.c"

#include "../../tools/client.c"
#include "../../tools/mountpoint.c"
#include "../../tools/progress.c"
#include "../../tools/say.c"
#include "unit.h"

#include <check.h>
#include <locale.h>

static struct top top;

static void teardown(void)
{
	top_done(&top);
}

static void set(const char *executions, const char *metrics, int requests, int64_t mono_ns)
{
	json_t *status = json_pack("{s:{s:i, s:i}, s:{s:i, s:i}}", "requests", "create", requests,
				   "open", requests, "opens", "passthrough", requests, "daemon", 1);
	json_t *list = json_loads(executions, 0, NULL);

	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(top_set(&top, status, list, metrics, mono_ns, 1000), 0);
}

#define ROW(id, comm, bytes, open, active, expires)                                                \
	"{\"execution\":\"" id "\",\"owner\":{\"uid\":0,\"comm\":\"" comm "\"},\"files\":1,"       \
	"\"bytes\":" bytes ",\"open\":" open ",\"active\":" active ",\"expires\":" expires         \
	",\"pinned\":false,\"lifetime\":\"ttl\"}"

static const char three[] = "{\"executions\":[" ROW("a", "node", "5", "0", "900", "2000") "," ROW(
	"b", "Python", "7", "2", "999", "null") "," ROW("c", "node", "6", "1", "950", "990") "]}";

static const char *order(enum top_sort sort, bool reverse, const char *filter)
{
	static char ids[16];
	size_t n = top_arrange(&top, sort, reverse, filter);

	for (size_t i = 0; i < n; i++)
		ids[i] = top.rows[i].id[0];
	ids[n] = '\0';
	return ids;
}

START_TEST(rows_are_sorted_and_filtered)
{
	set(three, "", 0, 1);
	ck_assert_str_eq(order(TOP_BYTES, false, ""), "bca");
	ck_assert_str_eq(order(TOP_BYTES, true, ""), "acb");
	ck_assert_str_eq(order(TOP_OPEN, false, ""), "bca");
	ck_assert_str_eq(order(TOP_ACTIVE, false, ""), "bca");
	ck_assert_str_eq(order(TOP_LEFT, false, ""), "cab");
	ck_assert_str_eq(order(TOP_ID, false, ""), "abc");
	ck_assert_str_eq(order(TOP_FILES, false, ""), "abc"); /* the same: by ID */
	ck_assert_str_eq(order(TOP_ID, false, "NODE"), "ac");
	ck_assert_str_eq(order(TOP_ID, false, "b"), "b");
	ck_assert_str_eq(order(TOP_ID, false, "x"), "");
	ck_assert_str_eq(order(TOP_ID, false, ""), "abc"); /* nothing was lost by filtering */
}
END_TEST

START_TEST(rates_are_of_the_time_between)
{
	set(three,
	    "batonfs_handed_over_bytes_total{path=\"passthrough\"} 100\n"
	    "batonfs_handed_over_bytes_total{path=\"daemon\"} 11\n"
	    "batonfs_handed_over_bytes_total_other 7\n",
	    10, NS_PER_S);
	ck_assert_double_eq(top.rates.requests, 0);
	set(three,
	    "# HELP x\nbatonfs_handed_over_bytes_total{path=\"passthrough\"} 300\n"
	    "batonfs_handed_over_bytes_total{path=\"daemon\"} 11\nbatonfs_written_bytes_total 8\n",
	    30, 3 * NS_PER_S);
	ck_assert_double_eq(top.rates.requests, 20);
	ck_assert_double_eq(top.rates.opens, 10);
	ck_assert_double_eq(top.rates.creates, 10);
	ck_assert_double_eq(top.rates.handed_over, 100);
	ck_assert_double_eq(top.rates.written, 4);
	set(three, "", 0, 4 * NS_PER_S); /* the daemon has begun anew */
	ck_assert_double_eq(top.rates.requests, 0);
	ck_assert_double_eq(top.rates.handed_over, 0);
}
END_TEST

START_TEST(what_is_left_has_words)
{
	set(three, "", 0, 1);
	(void)top_arrange(&top, TOP_ID, false, "");
	ck_assert_str_eq(top.rows[0].left_text, "16m 40s");
	ck_assert_str_eq(top.rows[1].left_text, "never");
	ck_assert_str_eq(top.rows[2].left_text, "in use");
}
END_TEST

static const char *line_of(const struct top_row *row, int columns)
{
	static char line[1024];

	top_line(row, columns, line, sizeof(line));
	return line;
}

START_TEST(lines_fit)
{
	struct top_row row = { .id = "11111111-2222-3333-4444-555555555555",
			       .owner = "a-long-name-of-a-process",
			       .files = 1,
			       .bytes = 1 << 20,
			       .left_text = "59m 59s",
			       .pinned = true };

	ck_assert_str_eq(
		line_of(NULL, 80),
		"ID                       OWNER       FILES    BYTES OPEN    IDLE     LEFT");
	ck_assert_str_eq(
		line_of(&row, 80),
		"11111111-2222-3333-4444~ a-long-na~      1 1.00 MiB    0     0 s  59m 59s pinned");
	ck_assert_ptr_nonnull(strstr(line_of(&row, 92), "-555555555555 a-long-na~ "));
	ck_assert_ptr_nonnull(strstr(line_of(&row, 102), "-555555555555 a-long-name-of-a-pr~ "));
	for (int columns = 1; columns < 200; columns++)
		ck_assert_uint_le(strlen(line_of(&row, columns)), (size_t)columns);
	/* Where it is narrow the ID has the room; what it has and how long it stays go last. */
	ck_assert_str_eq(line_of(&row, 60),
			 "11111111-2222-~      1 1.00 MiB    0     0 s  59m 59s pinned");
	ck_assert_str_eq(line_of(&row, 40), "11111111-2222-~ 1.00 MiB  59m 59s pinned");
	ck_assert_str_eq(line_of(&row, 24), "11111111-2222-~ 1.00 MiB");
	ck_assert_str_eq(line_of(&row, 10), "11111111-~");
}
END_TEST

/* Wide and foreign characters, and what would command a terminal. */
START_TEST(names_are_harmless)
{
	const char *line;

	set("{\"executions\":[" ROW("a", "\\u001b[2J\\u009b", "1", "0", "1", "null") "," ROW(
		    "b", "\\u65e5\\u672c\\u8a9e\\u65e5\\u672c\\u8a9e", "1", "0", "1", "null") "]}",
	    "", 0, 1);
	(void)top_arrange(&top, TOP_ID, false, "");
	line = line_of(&top.rows[0], 80);
	for (const char *p = line; *p; p++)
		ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	ck_assert_ptr_nonnull(strstr(line, "?[2J"));
	line = line_of(&top.rows[1], 80);
	if (setlocale(LC_ALL, "C.UTF-8")) {
		line = line_of(&top.rows[1], 80);
		/* Four of two columns each, the mark of a cut, and a blank. */
		ck_assert_ptr_nonnull(
			strstr(line, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5~  "));
		(void)setlocale(LC_ALL, "C");
	}
	ck_assert_ptr_nonnull(strstr(line_of(&top.rows[1], 80), " ?????????~ "));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rows_are_sorted_and_filtered, rates_are_of_the_time_between,
		what_is_left_has_words,	      lines_fit,
		names_are_harmless,
	};

	return RUN_TESTS("top", tests, NULL, teardown);
}
