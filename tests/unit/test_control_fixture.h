/* SPDX-License-Identifier: MIT */
/*
 * A store, ledger, table of executions and control layer in a new directory, for the tests of
 * src/control. Needs root and a filesystem with handles and trusted attributes under /tmp.
 */
#ifndef TEST_CONTROL_FIXTURE_H
#define TEST_CONTROL_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"
#include "exec/execution.h"
#include "store/store.h"
#include "store/trash.h"
#include "unit.h"

struct fixture {
	char dir[64];
	struct store store;
	struct trash *trash;
	struct ledger *ledger;
	struct exec_table *execs;
	struct keep *keep;
	struct control *control;
	int root_changes;
};

static struct fixture fix;

/* Of the fixture; set before RUN_TESTS(). */
static struct privacy privacy;

static const struct control_caller root = { .who = { .comm = "root" } };
static const struct control_caller alice = {
	.who = { .uid = 1000, .gid = 100, .pid = 77, .comm = "node" },
};
static const struct control_caller bob = {
	.who = { .uid = 1001, .gid = 100, .pid = 78, .comm = "python" },
};

static void on_status(void *ctx, json_t *object)
{
	(void)ctx;
	(void)json_object_set_new(object, "mountpoint", json_string("/data"));
}

static void on_metrics(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("above 1\n", out);
}

static void on_root_changed(void *ctx, const char *id)
{
	ck_assert_ptr_nonnull(id);
	((struct fixture *)ctx)->root_changes++;
	lock_assert_none();
}

static void fixture_setup(void)
{
	const struct exec_config config = {
		.ttl_ns = INT64_C(3600) * 1000000000,
		.autodir = true,
		.dir_mode = 0755,
		.privacy = privacy,
	};
	struct control_upcalls up = { .ctx = &fix,
				      .status = on_status,
				      .metrics = on_metrics,
				      .root_changed = on_root_changed };
	struct ledger_open_result opened;
	struct store_error error;
	char path[128];

	memset(&fix, 0, sizeof(fix));
	(void)strcpy(fix.dir, "/tmp/test-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fix.dir));
	ck_assert_msg(store_open(fix.dir, &fix.store, &error) == 0, "%s", error.text);
	ck_assert_int_eq(trash_new(fix.store.trash_fd, &fix.trash), 0);
	ck_assert_int_eq(trash_start(fix.trash), 0);
	(void)snprintf(path, sizeof(path), "%s/ledger.db", fix.dir);
	ck_assert_int_eq(ledger_open(path, NULL, &fix.ledger, &opened), 0);
	ck_assert_int_eq(exec_table_new(&fix.store, fix.trash, fix.ledger, &config,
					opened.next_number, &fix.execs),
			 0);
	ck_assert_int_eq(keep_new(false, &fix.keep), 0);
	ck_assert_int_eq(control_new(fix.keep, fix.execs, fix.ledger, &up, &fix.control), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void fixture_teardown(void)
{
	control_free(fix.control);
	keep_free(fix.keep);
	exec_table_free(fix.execs);
	trash_free(fix.trash);
	ledger_free(fix.ledger);
	store_close(&fix.store);
	(void)nftw(fix.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A real execution with a directory; the caller drops the reference. */
static struct execution *real_execution(const char *id, const struct control_caller *owner)
{
	struct execution *e = exec_get(fix.execs, id, LIFETIME_TTL);
	struct handle dir;
	bool made;

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(exec_materialise(fix.execs, e, &owner->who, &dir, &made), 0);
	return e;
}

static inline void add_execution(const char *id, const struct control_caller *owner)
{
	exec_unref(fix.execs, real_execution(id, owner));
}

/* The execution `id` of another lifetime, real. */
static inline void add_special(const char *id, enum lifetime lifetime)
{
	struct execution *e = exec_get(fix.execs, id, lifetime);

	ck_assert_ptr_nonnull(e);
	exec_activate(fix.execs, e, &alice.who);
	exec_unref(fix.execs, e);
}

/*
 * Walks "executions/4711/ttl" below .baton; 0 or what lookup returned. Lookups are never given
 * back.
 */
static inline int walk_to(const char *path, uint64_t *ret_node, struct stat *ret_st)
{
	_cleanup_free_ char *copy = strdup(path);
	uint64_t node = CONTROL_DIR_NODE;
	struct stat st = { 0 };
	char *save = NULL;

	ck_assert_ptr_nonnull(copy);
	for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		int r = control_lookup(fix.control, 0, node, p, &node, &st);

		if (r < 0)
			return r;
	}
	*ret_node = node;
	*ret_st = st;
	return 0;
}

/* The text of a file below .baton; the caller frees it. */
static inline char *text_of(const char *path)
{
	uint64_t node = 0;
	struct stat st;
	size_t len = 0;
	char *text = NULL;

	ck_assert_msg(walk_to(path, &node, &st) == 0, "no %s", path);
	ck_assert_int_eq(control_read(fix.control, node, &bob, &text, &len), 0);
	ck_assert_uint_eq(strlen(text), len);
	ck_assert_int_eq(text[len - 1], '\n');
	return text;
}

static inline void assert_text(const char *path, const char *expected)
{
	_cleanup_free_ char *text = text_of(path);

	ck_assert_str_eq(text, expected);
}

/* The object that a file holds; the caller drops it. */
static inline json_t *json_at(const char *path)
{
	_cleanup_free_ char *text = text_of(path);
	json_t *object = json_loads(text, 0, NULL);

	ck_assert_msg(json_is_object(object), "%s: %s", path, text);
	return object;
}

/* Of the last write that was refused. */
static __thread struct control_reason reason;

static inline int write_to(const char *path, const struct control_caller *who, const char *text)
{
	uint64_t node = 0;
	struct stat st;
	int r = walk_to(path, &node, &st);

	return r < 0 ? r : control_write(fix.control, node, who, text, strlen(text), &reason);
}

#endif
