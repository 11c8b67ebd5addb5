/* SPDX-License-Identifier: MIT */
/*
 * The naming rules, row by row.
 */
#include "exec/rule.h"

#include "scratch.h"

#define UUID "018f4a5e-7b1c-7d2e-8f3a-0123456789aB"
#define DIGITS_20 "12345678901234567890"
#define A_128                                                                                      \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                         \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

START_TEST(ids)
{
	static const struct {
		const char *name;
		bool id;
		bool n8n;
	} rows[] = {
		{ "", false, false },
		{ ".", false, false },
		{ "..", false, false },
		{ "...", true, false },
		{ ".hidden", true, false },
		{ "a", true, false },
		{ "0", true, true },
		{ "4711", true, true },
		{ "4711x", true, false },
		{ "4711_", true, false },
		{ "-4711", true, false },
		{ "A.b_c-9", true, false },
		{ "a b", false, false },
		{ "a/b", false, false },
		{ "a\n", false, false },
		{ "\xc3\xa4", false, false },
		{ "a+b", false, false },
		{ "_", true, false },
		{ "n8n", true, false },
		{ A_128, true, false },
		{ A_128 "a", false, false },
		{ DIGITS_20, true, true },
		{ DIGITS_20 "1", true, false },
		{ UUID, true, true },
		{ UUID "0", true, false },
		{ "018f4a5e-7b1c-7d2e-8f3a-0123456789a", true, false },
		{ "018f4a5e-7b1c-7d2e-8f3a-0123456789ag", true, false },
		{ "018f4a5e07b1c-7d2e-8f3a-0123456789ab", true, false },
		{ "__UNKNOWN__", true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(rule_is_id(rows[i].name) == rows[i].id, "'%s'", rows[i].name);
		ck_assert_msg(rule_is_n8n_id(rows[i].name) == rows[i].n8n, "'%s'", rows[i].name);
	}
}
END_TEST

START_TEST(entries)
{
	static const struct {
		enum place parent;
		const char *name;
		bool is_directory;
		enum place place;
		const char *id; /* NULL: inherits */
		enum lifetime lifetime;
	} rows[] = {
		/* directories at the top */
		{ PLACE_ROOT, "4711", true, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "a", true, PLACE_TREE, "a", LIFETIME_TTL },
		{ PLACE_ROOT, "4711_x", true, PLACE_TREE, "4711_x", LIFETIME_TTL },
		{ PLACE_ROOT, UUID, true, PLACE_TREE, UUID, LIFETIME_TTL },
		{ PLACE_ROOT, DIGITS_20 "1", true, PLACE_TREE, DIGITS_20 "1", LIFETIME_TTL },
		{ PLACE_ROOT, A_128, true, PLACE_TREE, A_128, LIFETIME_TTL },
		{ PLACE_ROOT, A_128 "a", true, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "a b", true, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "_", true, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "n8n", true, PLACE_N8N, "n8n", LIFETIME_EXTERNAL },
		{ PLACE_ROOT, "executions", true, PLACE_TREE, "executions", LIFETIME_TTL },
		/* files at the top */
		{ PLACE_ROOT, "4711_x", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "4711-x", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "4711.x", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "4711_", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "4711_a b", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ PLACE_ROOT, "4711", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "4711x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "4711 x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "a_x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "_x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "n8n", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, UUID "_x", false, PLACE_TREE, UUID, LIFETIME_TTL },
		{ PLACE_ROOT, UUID "-x", false, PLACE_TREE, UUID, LIFETIME_TTL },
		{ PLACE_ROOT, UUID, false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, UUID "x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ PLACE_ROOT, "12345678-1234", false, PLACE_TREE, "12345678", LIFETIME_TTL },
		{ PLACE_ROOT, DIGITS_20 ".x", false, PLACE_TREE, DIGITS_20, LIFETIME_TTL },
		{ PLACE_ROOT, DIGITS_20 "1.x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		/* below them everything inherits */
		{ PLACE_TREE, "4711", true, PLACE_TREE, NULL, 0 },
		{ PLACE_TREE, "n8n", true, PLACE_TREE, NULL, 0 },
		{ PLACE_TREE, "4711_x", false, PLACE_TREE, NULL, 0 },
		{ PLACE_OTHER, "4711", true, PLACE_OTHER, NULL, 0 },
		{ PLACE_OTHER, "4711_x", false, PLACE_OTHER, NULL, 0 },
		/* n8n's own */
		{ PLACE_N8N, "workflows", true, PLACE_N8N, NULL, 0 },
		{ PLACE_N8N, "executions", true, PLACE_N8N_EXECUTIONS, NULL, 0 },
		{ PLACE_N8N, "executions", false, PLACE_N8N, NULL, 0 },
		{ PLACE_N8N, "4711", true, PLACE_N8N, NULL, 0 },
		{ PLACE_N8N_EXECUTIONS, "4711", true, PLACE_N8N_DATA, "4711", LIFETIME_EXTERNAL },
		{ PLACE_N8N_EXECUTIONS, "a", true, PLACE_N8N_DATA, "a", LIFETIME_EXTERNAL },
		{ PLACE_N8N_EXECUTIONS, "4711", false, PLACE_N8N, NULL, 0 },
		{ PLACE_N8N_EXECUTIONS, "a b", true, PLACE_N8N, NULL, 0 },
		{ PLACE_N8N_DATA, "executions", true, PLACE_N8N_DATA, NULL, 0 },
		{ PLACE_N8N_DATA, "binary_data", true, PLACE_N8N_DATA, NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rule_match m;

		memset(&m, 0xff, sizeof(m));
		rule_match(rows[i].parent, rows[i].name, rows[i].is_directory, &m);
		ck_assert_msg(m.place == rows[i].place, "row %zu '%s'", i, rows[i].name);
		ck_assert_msg(m.inherits == !rows[i].id, "row %zu '%s'", i, rows[i].name);
		if (!rows[i].id)
			continue;
		ck_assert_str_eq(m.id, rows[i].id);
		ck_assert_msg(m.lifetime == rows[i].lifetime, "row %zu '%s'", i, rows[i].name);
	}
}
END_TEST

START_TEST(paths)
{
	static const struct {
		const char *path;
		bool is_directory;
		enum place place;
		const char *id;
		enum lifetime lifetime;
	} rows[] = {
		{ "", true, PLACE_ROOT, "_", LIFETIME_FILES },
		{ "4711", true, PLACE_TREE, "4711", LIFETIME_TTL },
		{ "4711", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ "4711/a", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ "4711//a/", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ "4711/n8n/executions/5/x", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ "4711_x", false, PLACE_TREE, "4711", LIFETIME_TTL },
		{ "4711_x", true, PLACE_TREE, "4711_x", LIFETIME_TTL },
		{ "4711_x/y", false, PLACE_TREE, "4711_x", LIFETIME_TTL },
		{ "a b/4711/x", false, PLACE_OTHER, "_", LIFETIME_FILES },
		{ "n8n", true, PLACE_N8N, "n8n", LIFETIME_EXTERNAL },
		{ "n8n/workflows/7", true, PLACE_N8N, "n8n", LIFETIME_EXTERNAL },
		{ "n8n/workflows/7/executions", true, PLACE_N8N_EXECUTIONS, "n8n",
		  LIFETIME_EXTERNAL },
		{ "n8n/workflows/7/executions/8", true, PLACE_N8N_DATA, "8", LIFETIME_EXTERNAL },
		{ "n8n/executions/8/binary_data/x", false, PLACE_N8N_DATA, "8", LIFETIME_EXTERNAL },
		{ "n8n/executions/8", false, PLACE_N8N, "n8n", LIFETIME_EXTERNAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rule_match m;

		memset(&m, 0xff, sizeof(m));
		rule_match_path(rows[i].path, rows[i].is_directory, &m);
		ck_assert_msg(m.place == rows[i].place, "'%s'", rows[i].path);
		ck_assert_msg(!m.inherits, "'%s'", rows[i].path);
		ck_assert_str_eq(m.id, rows[i].id);
		ck_assert_msg(m.lifetime == rows[i].lifetime, "'%s'", rows[i].path);
	}
}
END_TEST

START_TEST(path_and_names_agree_for_the_longest_name)
{
	struct rule_match m;
	char path[600];

	memset(path, '7', 255);
	path[255] = '\0';
	rule_match_path(path, true, &m);
	ck_assert_int_eq(m.place, PLACE_OTHER); /* too long for an ID */
	(void)snprintf(path + 255, sizeof(path) - 255, "/x");
	rule_match_path(path, false, &m);
	ck_assert_int_eq(m.place, PLACE_OTHER);
	ck_assert_str_eq(m.id, RULE_OTHER);
}
END_TEST

static void nothing(void)
{
}

int main(void)
{
	const TTest *const tests[] = {
		ids,
		entries,
		paths,
		path_and_names_agree_for_the_longest_name,
	};

	return RUN_TESTS("rule", tests, nothing, nothing);
}
