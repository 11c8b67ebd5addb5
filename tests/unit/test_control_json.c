/* SPDX-License-Identifier: MIT */
/*
 * JSON values: times, and what happens without memory.
 */
#include <check.h>
#include <string.h>

#include "control/json.h"
#include "unit.h"
#include "util/cleanup.h"

START_TEST(times_are_seconds_to_the_millisecond)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ INT64_C(1790000000123456789), "[1790000000.123]" },
		{ INT64_C(1790000000999500000), "[1790000001.0]" },
		{ INT64_C(3600000000000), "[3600.0]" },
		{ INT64_C(1000999999), "[1.001]" },
		{ 0, "[0.0]" },
		{ INT64_MAX, "[null]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;

		ck_assert_int_eq(json_to_text(json_pack("[o]", json_of_ns(rows[i].ns)), &text), 0);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(what_is_made_from_nothing_is_enomem)
{
	const struct json_field fields[] = {
		{ "a", json_string("x") },
		{ "b", NULL },
		{ "c", json_string("y") },
	};
	char *text = NULL;

	ck_assert_int_eq(json_to_text(json_of_fields(fields, ARRAY_SIZE(fields)), &text), -ENOMEM);
	ck_assert_int_eq(json_to_text(NULL, &text), -ENOMEM);
	ck_assert_ptr_null(text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		times_are_seconds_to_the_millisecond,
		what_is_made_from_nothing_is_enomem,
	};

	return RUN_TESTS("control_json", tests, NULL, NULL);
}
