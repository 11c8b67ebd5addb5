/* SPDX-License-Identifier: MIT */
/*
 * The tree under .baton: names, attributes, listings, and the life of its nodes.
 */
#include "test_control_fixture.h"

START_TEST(the_tree_has_the_names_of_the_contract)
{
	static const struct {
		const char *path;
		mode_t mode;
		uid_t uid;
	} rows[] = {
		{ "version", S_IFREG | 0444, 0 },
		{ "status.json", S_IFREG | 0444, 0 },
		{ "executions.json", S_IFREG | 0444, 0 },
		{ "config", S_IFREG | 0644, 0 },
		{ "executions", S_IFDIR | 0555, 0 },
		{ "why", S_IFDIR | 0555, 0 },
		{ "why/4711", S_IFREG | 0444, 0 },
		{ "executions/4711", S_IFDIR | 0555, 1000 },
		{ "executions/4711/execution.json", S_IFREG | 0444, 1000 },
		{ "executions/4711/ttl", S_IFREG | 0644, 1000 },
		{ "executions/4711/expires", S_IFREG | 0444, 1000 },
		{ "executions/4711/pinned", S_IFREG | 0644, 1000 },
		{ "executions/4711/owner", S_IFREG | 0444, 1000 },
		{ "executions/4711/bytes", S_IFREG | 0444, 1000 },
		{ "executions/4711/files", S_IFREG | 0444, 1000 },
		{ "executions/4711/release", S_IFREG | 0200, 1000 },
	};

	add_execution("4711", &alice);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t node = 0;
		struct stat st;
		struct stat again;

		ck_assert_msg(walk_to(rows[i].path, &node, &st) == 0, "%s", rows[i].path);
		ck_assert_msg(st.st_mode == rows[i].mode, "%s is %o", rows[i].path, st.st_mode);
		ck_assert_uint_eq(st.st_uid, rows[i].uid);
		ck_assert(node & CONTROL_NODE_BIT);
		ck_assert_uint_ge(st.st_ino, CONTROL_INO_BASE);
		ck_assert_uint_lt(st.st_ino, UINT64_C(1) << 53);
		ck_assert_int_gt(st.st_mtim.tv_sec, 1000000000);
		ck_assert_int_eq(control_getattr(fix.control, 0, node, &again), 0);
		ck_assert_uint_eq(again.st_ino, st.st_ino);
		ck_assert_uint_eq(again.st_mode, st.st_mode);
	}
}
END_TEST

START_TEST(what_is_not_there_is_enoent)
{
	static const char *const paths[] = {
		"nothing",
		"executions/1",
		"executions/4711/nothing",
		"executions/4711/execution",
		"why/1",
		"executions/..",
		"executions/.",
		"executions/a b",
		"why/.",
		"..",
	};
	uint64_t node = 0;
	struct stat st;

	add_execution("4711", &alice);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		ck_assert_msg(walk_to(paths[i], &node, &st) == -ENOENT, "%s", paths[i]);
	ck_assert_int_eq(walk_to("version/x", &node, &st), -ENOTDIR);
	ck_assert_int_eq(walk_to("executions/4711/ttl/x", &node, &st), -ENOTDIR);
}
END_TEST

START_TEST(a_virtual_execution_is_not_there)
{
	struct execution *e = exec_get(fix.execs, "4711", LIFETIME_TTL);
	uint64_t node = 0;
	struct stat st;

	ck_assert_int_eq(walk_to("executions/4711", &node, &st), -ENOENT);
	ck_assert_int_eq(walk_to("why/4711", &node, &st), -ENOENT);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(an_execution_released_is_gone_from_its_nodes)
{
	struct exec_release_args args = { .reason = LEDGER_EXPIRED };
	struct execution *e = real_execution("4711", &alice);
	char *text = NULL;
	uint64_t node = 0;
	uint64_t dir = 0;
	struct stat st;
	size_t len;

	ck_assert_int_eq(walk_to("executions/4711/ttl", &node, &st), 0);
	ck_assert_int_eq(walk_to("executions/4711", &dir, &st), 0);
	ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
	ck_assert_int_eq(control_getattr(fix.control, 0, node, &st), -ENOENT);
	ck_assert_int_eq(control_getattr(fix.control, 0, dir, &st), -ENOENT);
	ck_assert_int_eq(control_lookup(fix.control, 0, dir, "ttl", &node, &st), -ENOENT);
	ck_assert_int_eq(control_read(fix.control, node, &root, &text, &len), -ENOENT);
	ck_assert_int_eq(control_write(fix.control, node, &root, "1", 1, &reason), -ENOENT);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- nodes ---- */

START_TEST(a_name_has_one_node_until_it_is_forgotten)
{
	uint64_t a = 0;
	uint64_t b = 0;
	uint64_t c = 0;
	struct stat st;

	ck_assert_int_eq(control_lookup(fix.control, 0, CONTROL_DIR_NODE, "version", &a, &st), 0);
	ck_assert_int_eq(control_lookup(fix.control, 0, CONTROL_DIR_NODE, "version", &b, &st), 0);
	ck_assert_uint_eq(a, b);
	control_forget(fix.control, a, 1);
	ck_assert_int_eq(control_getattr(fix.control, 0, a, &st), 0);
	control_forget(fix.control, a, 1);
	ck_assert_int_eq(control_getattr(fix.control, 0, a, &st), -ESTALE);
	ck_assert_int_eq(control_lookup(fix.control, 0, CONTROL_DIR_NODE, "version", &c, &st), 0);
	ck_assert_uint_ne(a, c);
	control_forget(fix.control, a, 1); /* late, for the old one */
	ck_assert_int_eq(control_getattr(fix.control, 0, c, &st), 0);
	control_forget(fix.control, c, UINT64_MAX);
	ck_assert_int_eq(control_getattr(fix.control, 0, c, &st), -ESTALE);
}
END_TEST

START_TEST(the_directory_itself_is_never_forgotten)
{
	struct stat st;

	control_forget(fix.control, CONTROL_DIR_NODE, UINT64_MAX);
	ck_assert_int_eq(control_getattr(fix.control, 0, CONTROL_DIR_NODE, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0555);
}
END_TEST

/* ---- listings ---- */

#define NAMES_MAX 512

struct names {
	char name[NAMES_MAX][RULE_ID_MAX + 1];
	uint64_t ino[NAMES_MAX];
	size_t n;
	size_t room; /* entries that one call takes */
	uint64_t next;
};

static bool take_name(void *arg, const char *name, const struct stat *st, uint64_t next)
{
	struct names *l = arg;

	if (l->room == 0)
		return false;
	l->room--;
	ck_assert_uint_lt(l->n, NAMES_MAX);
	(void)strcpy(l->name[l->n], name);
	l->ino[l->n++] = st->st_ino;
	l->next = next;
	return true;
}

/* One call; whether it told anything. */
static bool list_some(struct names *l, uint64_t dir, size_t room)
{
	size_t before = l->n;

	l->room = room;
	ck_assert_int_eq(control_readdir(fix.control, 0, dir, l->next, take_name, l), 0);
	return l->n > before;
}

static size_t times_listed(const struct names *l, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += strcmp(l->name[i], name) == 0;
	return n;
}

START_TEST(listings_have_the_names_and_inode_numbers_of_lookup)
{
	static const char *const dirs[] = { "", "executions", "executions/4711", "why" };
	static const size_t counts[] = { 12, 2, 12, 0 };

	add_execution("4711", &alice);
	add_execution("4712", &alice);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		static struct names l;
		uint64_t dir = 0;
		struct stat st;

		memset(&l, 0, sizeof(l));
		ck_assert_int_eq(walk_to(dirs[i], &dir, &st), 0);
		while (list_some(&l, dir, 1))
			;
		ck_assert_uint_eq(l.n, counts[i]);
		for (size_t k = 0; k < l.n; k++) {
			uint64_t node = 0;

			ck_assert_int_ge(control_lookup(fix.control, 0, dir, l.name[k], &node, &st),
					 0);
			ck_assert_uint_eq(st.st_ino, l.ino[k]);
			ck_assert_uint_eq(times_listed(&l, l.name[k]), 1);
		}
	}
}
END_TEST

START_TEST(a_listing_in_pieces_neither_skips_nor_repeats)
{
	struct exec_release_args args = { .reason = LEDGER_EXPIRED };
	static struct names l;
	uint64_t dir = 0;
	struct stat st;
	char id[16];

	memset(&l, 0, sizeof(l));
	for (int i = 0; i < 100; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		add_execution(id, &alice);
	}
	ck_assert_int_eq(walk_to("executions", &dir, &st), 0);
	for (int i = 0; list_some(&l, dir, 7); i++) { /* odd ones go, others come */
		struct execution *e;

		(void)snprintf(id, sizeof(id), "%d", 99 - 2 * i);
		e = exec_lookup(fix.execs, id);
		ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
		exec_unref(fix.execs, e);
		if (i < 5) {
			(void)snprintf(id, sizeof(id), "n%d", i);
			add_execution(id, &alice);
		}
	}
	for (int i = 0; i < 100; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		ck_assert_uint_le(times_listed(&l, id), 1);
		if (i % 2 == 0)
			ck_assert_uint_eq(times_listed(&l, id), 1);
	}
}
END_TEST

START_TEST(only_directories_are_listed)
{
	static struct names l;
	uint64_t node = 0;
	struct stat st;

	ck_assert_int_eq(walk_to("version", &node, &st), 0);
	ck_assert_int_eq(control_readdir(fix.control, 0, node, 0, take_name, &l), -ENOTDIR);
	ck_assert_int_eq(control_readdir(fix.control, 0, node + 1000, 0, take_name, &l), -ESTALE);
}
END_TEST

/* ---- several threads ---- */

#define ROUNDS 300

static void *churn(void *arg)
{
	static const char *const files[] = { "ttl", "pinned", "execution.json" };
	const char *id = arg;
	char path[64];

	for (int i = 0; i < ROUNDS; i++) {
		struct exec_release_args args = { .reason = LEDGER_RELEASED };
		struct execution *e = real_execution(id, &alice);
		uint64_t dir = 0;
		uint64_t node = 0;
		struct stat st;
		char *text = NULL;
		size_t len;

		(void)snprintf(path, sizeof(path), "executions/%s", id);
		if (walk_to(path, &dir, &st) == 0 &&
		    control_lookup(fix.control, 0, dir, files[i % 3], &node, &st) == 0) {
			if (control_read(fix.control, node, &bob, &text, &len) == 0)
				free(text);
			control_forget(fix.control, node, 1);
			control_forget(fix.control, dir, 1);
		}
		if (i % 4 == 0)
			(void)write_to("executions/2/pinned", &root, i % 8 ? "1" : "0");
		ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
		exec_unref(fix.execs, e);
	}
	return NULL;
}

START_TEST(threads_may_look_and_release_at_the_same_time)
{
	static char ids[4][4] = { "1", "2", "3", "4" };
	pthread_t threads[4];
	static struct names l;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, ids[i]), 0);
	for (int i = 0; i < 50; i++) {
		_cleanup_free_ char *all = text_of("executions.json");
		_cleanup_free_ char *status = text_of("status.json");
		uint64_t dir = 0;
		struct stat st;

		ck_assert_int_eq(walk_to("executions", &dir, &st), 0);
		memset(&l, 0, sizeof(l));
		(void)list_some(&l, dir, NAMES_MAX);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_tree_has_the_names_of_the_contract,
		what_is_not_there_is_enoent,
		a_virtual_execution_is_not_there,
		an_execution_released_is_gone_from_its_nodes,
		a_name_has_one_node_until_it_is_forgotten,
		the_directory_itself_is_never_forgotten,
		listings_have_the_names_and_inode_numbers_of_lookup,
		a_listing_in_pieces_neither_skips_nor_repeats,
		only_directories_are_listed,
		threads_may_look_and_release_at_the_same_time,
	};

	return RUN_TESTS("control_tree", tests, fixture_setup, fixture_teardown);
}
