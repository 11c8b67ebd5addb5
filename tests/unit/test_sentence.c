/* SPDX-License-Identifier: MIT */
/*
 * What `baton why` says. The client is no library: its sources are included.
 */
#include "../../tools/say.c"
#include "../../tools/sentence.c"

#include <check.h>
#include <stdlib.h>

#include "unit.h"
#include "util/cleanup.h"

/* 2026-11-21 20:00:00 UTC */
#define NOW 1795291200.0

#define OWNER "\"owner\":{\"uid\":1000,\"gid\":1000,\"pid\":77,\"comm\":\"node\"}"
#define USED "\"active\":1795291140.0,\"bytes\":125829120,\"files\":3," OWNER
#define FACTS                                                                                      \
	"last active 2026-11-21 19:59:00 (1m ago), owned by uid 1000 (node, pid 77), "             \
	"3 files, 120 MiB"

static char *told(const char *why_json)
{
	json_t *why = json_loads(why_json, 0, NULL);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(why);
	ck_assert_ptr_nonnull(f);
	sentence_why(f, why, NOW);
	ck_assert_int_eq(fclose(f), 0);
	json_decref(why);
	return text;
}

#define ALIVE(fields)                                                                              \
	"{\"execution\":\"4711\",\"releases\":[],\"now\":{\"execution\":\"4711\"," USED            \
	",\"ttl\":1800.0," fields "}}"
#define GONE(fields)                                                                               \
	"{\"execution\":\"4711\",\"now\":null,\"releases\":[{\"released\":1795291188.0," USED      \
	",\"ttl\":1800.0," fields "}]}"

static const struct {
	const char *json;
	const char *text;
} cases[] = {
	{ GONE("\"reason\":\"expired\",\"by\":null,\"path\":\"\""),
	  "4711 was released 12 s ago because its time-to-live of 30m was over: " FACTS ".\n" },
	{ GONE("\"reason\":\"released\",\"path\":\"\",\"by\":{\"uid\":0,\"pid\":9,\"comm\":\"sh\"}"),
	  "4711 was released 12 s ago because uid 0 (sh, pid 9) released it: " FACTS ".\n" },
	{ GONE("\"reason\":\"released\",\"by\":null"),
	  "4711 was released 12 s ago on request: " FACTS ".\n" },
	{ GONE("\"reason\":\"empty\""),
	  "4711 was released 12 s ago because its last file was removed: " FACTS ".\n" },
	{ GONE("\"reason\":\"evicted\""),
	  "4711 was released 12 s ago because the store needed room: " FACTS ".\n" },
	{ GONE("\"reason\":\"removed\""),
	  "4711 was released 12 s ago because its files were removed or moved away: " FACTS ".\n" },
	{ GONE("\"reason\":\"unrecorded\""),
	  "4711 was released 12 s ago when batonfs had been killed, by whom or what was not written down any more: " FACTS
	  ".\n" },
	{ GONE("\"reason\":\"later\""),
	  "4711 was released 12 s ago for the reason \"later\": " FACTS ".\n" },
	{ GONE("\"reason\":\"expired\",\"path\":\"4711/a\\nb\""),
	  "The file 4711/a?b of 4711 was released 12 s ago because its time-to-live of 30m was over: " FACTS
	  ".\n" },
	{ ALIVE("\"expires\":1795292940.0,\"pinned\":false,\"lifetime\":\"ttl\""),
	  "4711 is alive and expires in 29m, at 2026-11-21 20:29:00, unless it is used before: "
	  "time-to-live of 30m, " FACTS ".\n" },
	{ ALIVE("\"expires\":1795292940.0,\"pinned\":true,\"lifetime\":\"ttl\""),
	  "4711 is alive and does not expire because it is pinned: time-to-live of 30m, " FACTS
	  ".\n" },
	{ ALIVE("\"expires\":null,\"lifetime\":\"ttl\""),
	  "4711 is alive and does not expire because its time-to-live is \"never\": time-to-live of 30m, " FACTS
	  ".\n" },
	{ ALIVE("\"expires\":1795291195.0,\"lifetime\":\"ttl\",\"open\":2"),
	  "4711 is alive, but its time was over 5 s ago: it goes when its 2 open files are closed: "
	  "time-to-live of 30m, " FACTS ", 2 open.\n" },
	{ ALIVE("\"expires\":1795291195.0,\"lifetime\":\"ttl\",\"open\":0"),
	  "4711 is alive, but its time was over 5 s ago: it goes as soon as no process has a file of it "
	  "open or mapped: time-to-live of 30m, " FACTS ".\n" },
};

START_TEST(every_state_has_its_sentence)
{
	_cleanup_free_ char *text = told(cases[_i].json);

	ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

START_TEST(missing_fields_are_survived)
{
	_cleanup_free_ char *text = told("{\"releases\":[{}],\"now\":{}}");

	ck_assert_ptr_nonnull(strstr(text, "is alive"));
	ck_assert_ptr_nonnull(strstr(text, "was released"));
}
END_TEST

static const struct {
	double seconds;
	const char *text;
} durations[] = {
	{ -5, "0 s" },
	{ 0, "0 s" },
	{ 0.25, "250 ms" },
	{ 0.0001, "1 ms" },
	{ 12.9, "12 s" },
	{ 60, "1m" },
	{ 90, "1m 30s" },
	{ 1800, "30m" },
	{ 3600, "1h" },
	{ 5400.7, "1h 30m" },
	{ 86400, "1d" },
	{ 90000, "1d 1h" },
	{ 1e300, "11574074074d 1h" },
};

/* A process has the name that it gives itself. */
START_TEST(an_owner_commands_no_terminal)
{
	char buf[SAY_MAX];
	json_t *owner = json_pack("{s:i,s:i,s:s}", "uid", 5, "pid", 77, "comm",
				  "\x1b]0;x\x07\xc2\x9b"
				  "2J");

	ck_assert_str_eq(say_owner(owner, buf, sizeof(buf)), "uid 5 (?]0;x???2J, pid 77)");
	json_decref(owner);
}
END_TEST

START_TEST(durations_are_short)
{
	char buf[SAY_MAX];

	ck_assert_str_eq(say_duration(durations[_i].seconds, buf, sizeof(buf)), durations[_i].text);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sentence");
	Suite *s = suite_create("sentence");

	if (setenv("TZ", "UTC", 1) < 0)
		return EXIT_FAILURE;
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, every_state_has_its_sentence, 0, ARRAY_SIZE(cases));
	tcase_add_test(tc, missing_fields_are_survived);
	tcase_add_test(tc, an_owner_commands_no_terminal);
	tcase_add_loop_test(tc, durations_are_short, 0, ARRAY_SIZE(durations));
	return run_suite(s);
}
