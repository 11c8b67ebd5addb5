/* SPDX-License-Identifier: MIT */
/*
 * With privacy, whoever looks at .baton finds what is his, and root and the one who mounted find everything.
 */
#include "test_control_fixture.h"

#define MOUNTER 77

static const struct control_caller mounter = {
	.who = { .uid = MOUNTER },
	.opener = MOUNTER,
};

static int look(const struct control_caller *who, uint64_t dir, const char *name,
		uint64_t *ret_node)
{
	struct stat st;
	int r = control_lookup(fix.control, who->who.uid, dir, name, ret_node, &st);

	return r < 0 ? r : 0;
}

/* What .baton/NAME/ID is to him: 0 or -errno. */
static int finds(const struct control_caller *who, const char *name, const char *id)
{
	uint64_t dir = 0;
	uint64_t node;

	ck_assert_int_eq(look(who, CONTROL_DIR_NODE, name, &dir), 0);
	return look(who, dir, id, &node);
}

static bool count(void *arg, const char *name, const struct stat *st, uint64_t next)
{
	(void)name;
	(void)st;
	(void)next;
	(*(int *)arg)++;
	return true;
}

static int listed(const struct control_caller *who)
{
	uint64_t dir = 0;
	int n = 0;

	ck_assert_int_eq(look(who, CONTROL_DIR_NODE, "executions", &dir), 0);
	ck_assert_int_eq(control_readdir(fix.control, who->who.uid, dir, 0, count, &n), 0);
	return n;
}

/* The text of a file, for him. */
static char *shown(const struct control_caller *who, const char *name)
{
	uint64_t node = 0;
	char *text = NULL;
	size_t len;

	ck_assert_int_eq(look(who, CONTROL_DIR_NODE, name, &node), 0);
	ck_assert_int_eq(control_read(fix.control, node, who, &text, &len), 0);
	return text;
}

START_TEST(everybody_finds_what_is_his)
{
	_cleanup_free_ char *text = NULL;

	add_execution("4711", &alice);
	add_execution("4712", &bob);
	add_special("_", LIFETIME_FILES); /* alice came first */
	ck_assert_int_eq(finds(&alice, "executions", "4711"), 0);
	ck_assert_int_eq(finds(&bob, "executions", "4711"), -ENOENT);
	ck_assert_int_eq(finds(&alice, "executions", "_"), -ENOENT);
	ck_assert_int_eq(finds(&root, "executions", "_"), 0);
	ck_assert_int_eq(finds(&mounter, "executions", "4711"), 0);
	ck_assert_int_eq(listed(&alice), 1);
	ck_assert_int_eq(listed(&bob), 1);
	ck_assert_int_eq(listed(&root), 3);
	ck_assert_int_eq(listed(&mounter), 3);
	text = shown(&bob, "executions.json");
	ck_assert(strstr(text, "4712") && !strstr(text, "4711"));
}
END_TEST

START_TEST(a_node_that_another_has_found_shows_nothing)
{
	struct control_reason why;
	uint64_t node = 0;
	char *text = NULL;
	struct stat st;
	size_t len;

	add_execution("4711", &alice);
	ck_assert_int_eq(walk_to("executions/4711/ttl", &node, &st), 0);
	ck_assert_int_eq(control_getattr(fix.control, bob.who.uid, node, &st), -ENOENT);
	ck_assert_int_eq(control_read(fix.control, node, &bob, &text, &len), -ENOENT);
	ck_assert_int_eq(control_write(fix.control, node, &bob, "1s", 2, &why), -ENOENT);
	ck_assert_int_eq(control_write(fix.control, node, &alice, "60", 2, &why), 0);
}
END_TEST

START_TEST(what_is_gone_is_still_his_alone)
{
	struct exec_release_args args = { .reason = LEDGER_RELEASED, .by = root.who };
	struct execution *e = real_execution("4711", &alice);

	ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
	exec_unref(fix.execs, e);
	ck_assert_int_eq(finds(&alice, "why", "4711"), 0);
	ck_assert_int_eq(finds(&root, "why", "4711"), 0);
	ck_assert_int_eq(finds(&bob, "why", "4711"), -ENOENT);
	add_execution("4711", &bob); /* the ID starts again with him */
	ck_assert_int_eq(finds(&bob, "why", "4711"), 0);
	ck_assert_int_eq(finds(&bob, "executions", "4711"), 0);
	ck_assert_int_eq(finds(&alice, "executions", "4711"), -ENOENT);
}
END_TEST

START_TEST(attributes_of_another_are_refused)
{
	struct control_subject s = { .exec = real_execution("4711", &alice), .is_exec_dir = true };
	struct control_subject own = { .is_file = true, .uid = bob.who.uid, .own_lifetime = true };
	char buf[64];

	ck_assert_int_eq(control_xattr_get(fix.control, alice.who.uid, &s, "bytes", buf, 64), 1);
	ck_assert_int_eq(control_xattr_get(fix.control, bob.who.uid, &s, "bytes", buf, 64),
			 -EACCES);
	ck_assert_int_eq(control_xattr_get(fix.control, bob.who.uid, &s, "execution", buf, 64), 4);
	exec_unref(fix.execs, s.exec);

	add_special("_", LIFETIME_FILES);
	own.exec = exec_lookup(fix.execs, "_");
	own.file_ttl_ns = LEDGER_TTL_DEFAULT;
	ck_assert_int_eq(control_xattr_get(fix.control, bob.who.uid, &own, "ttl", buf, 64), 4);
	ck_assert_int_eq(control_xattr_get(fix.control, bob.who.uid, &own, "owner", buf, 64),
			 -EACCES);
	ck_assert_int_eq(control_xattr_get(fix.control, alice.who.uid, &own, "ttl", buf, 64),
			 -EACCES);
	exec_unref(fix.execs, own.exec);

	s.exec = exec_get(fix.execs, "4713", LIFETIME_TTL); /* nobody's */
	ck_assert_int_eq(control_xattr_get(fix.control, bob.who.uid, &s, "bytes", buf, 64), 1);
	exec_unref(fix.execs, s.exec);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everybody_finds_what_is_his,
		a_node_that_another_has_found_shows_nothing,
		what_is_gone_is_still_his_alone,
		attributes_of_another_are_refused,
	};

	privacy = (struct privacy){ .on = true, .mounter = MOUNTER };
	return RUN_TESTS("control_viewer", tests, fixture_setup, fixture_teardown);
}
