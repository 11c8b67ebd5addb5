/* SPDX-License-Identifier: MIT */
/*
 * The bag of flat names, small and with a hundred thousand names.
 */
#include "exec/flats.h"

#include "scratch.h"

#define MANY 100000

static struct flats bag;

static void setup(void)
{
	bag = (struct flats){ 0 };
}

static void teardown(void)
{
	flats_done(&bag);
}

/* By position and by name. */
static bool has(const char *name)
{
	bool found = false;
	const char *at;

	for (size_t i = 0; (at = flats_at(&bag, i)); i++)
		found = found || strcmp(at, name) == 0;
	ck_assert_int_eq(flats_has(&bag, name), found);
	return found;
}

START_TEST(empty_bag_has_nothing)
{
	flats_drop(&bag, "a");
	ck_assert(!has("a"));
	ck_assert_ptr_null(flats_at(&bag, 0));
	ck_assert_ptr_null(flats_pop(&bag));
	flats_done(&bag);
}
END_TEST

START_TEST(names_come_and_go)
{
	ck_assert_int_eq(flats_add(&bag, "a"), 0);
	ck_assert_int_eq(flats_add(&bag, "b"), 0);
	ck_assert_int_eq(flats_add(&bag, "c"), 0);
	flats_drop(&bag, "a");
	ck_assert(!has("a") && has("b") && has("c"));
	flats_drop(&bag, "a");
	ck_assert_uint_eq(bag.n, 2);
	flats_drop(&bag, "c");
	flats_drop(&bag, "b");
	ck_assert_uint_eq(bag.n, 0);
}
END_TEST

START_TEST(name_may_be_there_twice)
{
	ck_assert_int_eq(flats_add(&bag, "a"), 0);
	ck_assert_int_eq(flats_add(&bag, "a"), 0);
	flats_drop(&bag, "a");
	ck_assert(has("a"));
	flats_drop(&bag, "a");
	ck_assert(!has("a"));
}
END_TEST

START_TEST(popped_names_belong_to_the_caller)
{
	struct flat *f;

	ck_assert_int_eq(flats_add(&bag, "a"), 0);
	ck_assert_int_eq(flats_add(&bag, "b"), 0);
	f = flats_pop(&bag);
	ck_assert_str_eq(f->name, "b");
	ck_assert_ptr_null(f->next);
	free(f);
	flats_drop(&bag, "b");
	ck_assert_uint_eq(bag.n, 1);
	free(flats_pop(&bag));
	ck_assert_ptr_null(flats_pop(&bag));
}
END_TEST

/* A list would take ten thousand million steps for this. */
START_TEST(hundred_thousand_names_are_no_trouble)
{
	char name[32];
	size_t seen = 0;

	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "4711_%zu.bin", i);
		ck_assert_int_eq(flats_add(&bag, name), 0);
	}
	while (flats_at(&bag, seen))
		seen++;
	ck_assert_uint_eq(seen, MANY);
	for (size_t i = 0; i < MANY; i += 2) {
		(void)snprintf(name, sizeof(name), "4711_%zu.bin", i);
		flats_drop(&bag, name);
	}
	ck_assert_uint_eq(bag.n, MANY / 2);
	for (size_t i = 0; i < bag.n; i++) {
		size_t number = strtoul(flats_at(&bag, i) + 5, NULL, 10);

		ck_assert_uint_eq(number % 2, 1);
	}
	for (size_t i = 1; i < MANY; i += 2) {
		(void)snprintf(name, sizeof(name), "4711_%zu.bin", i);
		flats_drop(&bag, name);
	}
	ck_assert_uint_eq(bag.n, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_bag_has_nothing,
		names_come_and_go,
		name_may_be_there_twice,
		popped_names_belong_to_the_caller,
		hundred_thousand_names_are_no_trouble,
	};

	return RUN_TESTS("flats", tests, setup, teardown);
}
