/* SPDX-License-Identifier: MIT */
/*
 * The table of control nodes by itself: growth, memory given back, many threads.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/ctlnode.h"
#include "unit.h"
#include "util/cleanup.h"

#define MANY 20000

static const struct ctlnode_key root_key = { .kind = 1 };

static struct ctlnode_key key_of(int i)
{
	struct ctlnode_key key = { .kind = 7, .attr = (uint8_t)(i % 5) };

	(void)snprintf(key.id, sizeof(key.id), "%d", i / 5);
	return key;
}

static struct keep *keep;

START_TEST(many_nodes_are_found_and_given_back)
{
	_cleanup_free_ uint64_t *nodes = calloc(MANY, sizeof(*nodes));
	struct ctlnode_table *t = NULL;

	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(ctlnode_table_new(keep, &root_key, &t), 0);
	for (int i = 0; i < MANY; i++) {
		struct ctlnode_key key = key_of(i);

		ck_assert_int_eq(ctlnode_lookup(t, &key, &nodes[i]), 1);
	}
	ck_assert_uint_eq(ctlnode_count(t), MANY);
	for (int i = 0; i < MANY; i++) {
		struct ctlnode_key key = key_of(i);
		struct ctlnode_key found;
		uint64_t node = 0;

		ck_assert_int_eq(ctlnode_find(t, nodes[i], &found), 0);
		ck_assert_str_eq(found.id, key.id);
		ck_assert_uint_eq(found.attr, key.attr);
		ck_assert_int_eq(ctlnode_lookup(t, &key, &node), 0);
		ck_assert_uint_eq(node, nodes[i]);
		ctlnode_forget(t, node, 1);
	}
	for (int i = 0; i < MANY; i++)
		ctlnode_forget(t, nodes[i], 1);
	ck_assert_uint_eq(ctlnode_count(t), 0);
	ctlnode_table_free(t);
	keep_free(keep);
}
END_TEST

START_TEST(nodes_left_at_the_end_are_freed)
{
	struct ctlnode_table *t = NULL;
	struct ctlnode_key key = key_of(1);
	uint64_t node = 0;

	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(ctlnode_table_new(keep, &root_key, &t), 0);
	ck_assert_int_eq(ctlnode_lookup(t, &key, &node), 1);
	ctlnode_table_free(t);
	keep_free(keep);
	ctlnode_table_free(NULL);
}
END_TEST

START_TEST(inode_numbers_depend_on_the_name_only)
{
	struct ctlnode_key a = key_of(1);
	struct ctlnode_key b = key_of(1);
	struct ctlnode_key c = key_of(2);

	ck_assert_uint_eq(ctlnode_ino(&a), ctlnode_ino(&b));
	ck_assert_uint_ne(ctlnode_ino(&a), ctlnode_ino(&c));
	for (int i = 0; i < MANY; i++) {
		a = key_of(i);
		ck_assert_uint_ge(ctlnode_ino(&a), CONTROL_INO_BASE);
		ck_assert_uint_lt(ctlnode_ino(&a), UINT64_C(1) << 53);
		ck_assert_uint_lt(exec_auto_ino(a.id), CONTROL_INO_BASE);
	}
}
END_TEST

static void *look_and_forget(void *arg)
{
	struct ctlnode_table *t = arg;

	for (int i = 0; i < MANY; i++) {
		struct ctlnode_key key = key_of(i % 400);
		struct ctlnode_key found;
		uint64_t node = 0;

		if (ctlnode_lookup(t, &key, &node) < 0 || ctlnode_find(t, node, &found) < 0 ||
		    strcmp(found.id, key.id) != 0)
			return t;
		ctlnode_forget(t, node, 1);
	}
	return NULL;
}

START_TEST(threads_may_look_and_forget_at_the_same_time)
{
	struct ctlnode_table *t = NULL;
	pthread_t threads[4];

	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(ctlnode_table_new(keep, &root_key, &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, look_and_forget, t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *failed = NULL;

		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(ctlnode_count(t), 0);
	ctlnode_table_free(t);
	keep_free(keep);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		many_nodes_are_found_and_given_back,
		nodes_left_at_the_end_are_freed,
		inode_numbers_depend_on_the_name_only,
		threads_may_look_and_forget_at_the_same_time,
	};

	return RUN_TESTS("control_nodes", tests, NULL, NULL);
}
