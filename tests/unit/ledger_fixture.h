/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the ledger share: a private directory per test, short ways to make events, and
 * one way to look at rows. A test file includes it once; it holds no state but the directory of
 * the running test.
 */
#ifndef TEST_LEDGER_FIXTURE_H
#define TEST_LEDGER_FIXTURE_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/ledger.h"
#include "unit.h"
#include "util/cleanup.h"
#include "util/macro.h"

#define UNUSED __attribute__((unused))

static char fixture_dir[64];
static char fixture_path[96]; /* of the ledger in it */

static UNUSED void fixture_setup(void)
{
	(void)snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/test_ledger.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture_dir));
	(void)snprintf(fixture_path, sizeof(fixture_path), "%s/ledger.db", fixture_dir);
}

static UNUSED void fixture_teardown(void)
{
	DIR *dir = opendir(fixture_dir);
	const struct dirent *e;

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			ck_assert_int_eq(unlinkat(dirfd(dir), e->d_name, 0), 0);
	(void)closedir(dir);
	ck_assert_int_eq(rmdir(fixture_dir), 0);
}

/* Open, expecting success and `state`. */
static UNUSED struct ledger *fixture_open(enum ledger_state state)
{
	struct ledger_open_result result;
	struct ledger *l;

	ck_assert_int_eq(ledger_open(fixture_path, NULL, &l, &result), 0);
	ck_assert_int_eq(result.state, state);
	return l;
}

/* Say that the tree is empty, or what the caller has reported of it. */
static UNUSED void fixture_reconcile(struct ledger *l)
{
	ledger_reconcile_begin(l);
	ledger_reconcile_end(l);
	ck_assert_int_eq(ledger_sync(l), 0);
}

static UNUSED struct ledger_file fixture_file(uint64_t ino, uint64_t execution, uint64_t size)
{
	return (struct ledger_file){
		.ino = ino,
		.execution = execution,
		.size_bytes = size,
		.ttl_ns = LEDGER_TTL_DEFAULT,
		.activity_ns = 1000,
		.handle_len = 4,
		.handle_type = 1,
		.handle = { 1, 2, 3, (uint8_t)ino },
	};
}

static UNUSED struct ledger_execution fixture_execution(uint64_t number, const char *id)
{
	struct ledger_execution e = {
		.number = number,
		.owner = { .uid = 1000, .gid = 1001, .pid = 42, .comm = "node" },
		.created_real_ns = 100 + (int64_t)number,
		.activity_ns = 200,
		.ttl_ns = LEDGER_TTL_DEFAULT,
	};

	(void)snprintf(e.id, sizeof(e.id), "%s", id);
	return e;
}

static UNUSED struct ledger_release fixture_release(uint64_t number, const char *id)
{
	struct ledger_release r = {
		.number = number,
		.reason = LEDGER_RELEASED,
		.created_real_ns = 1,
		.activity_real_ns = 2,
		.released_real_ns = 3,
		.ttl_ns = 4,
		.bytes = 5,
		.files = 6,
	};

	(void)snprintf(r.id, sizeof(r.id), "%s", id);
	return r;
}

/*
 * Ask the database file as another program would. Returns the first column of the first row, or -1
 * without a row.
 */
static UNUSED int64_t fixture_ask(const char *sql)
{
	sqlite3_stmt *s;
	sqlite3 *db;
	int64_t answer = -1;

	ck_assert_int_eq(sqlite3_open_v2(fixture_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW)
		answer = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return answer;
}

/* Change a database that no ledger has open. */
static UNUSED void fixture_change(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/*
 * Run this very program again as `argv[0] role path`, with the write end of a pipe as its stdout;
 * main() of the test looks at the role. A new program, not a fork: threads do not survive one.
 */
static UNUSED pid_t fixture_spawn(const char *role, int *ret_pipe)
{
	char *argv[] = { (char[]){ "child" }, strdup(role), fixture_path, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO), 0);
	ck_assert_int_eq(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	free(argv[1]);
	(void)close(fds[1]);
	*ret_pipe = fds[0];
	return pid;
}

/* An `each` that counts; the argument is a pointer to int. */
static UNUSED int fixture_count_execution(void *arg, const struct ledger_execution *e)
{
	(void)e;
	++*(int *)arg;
	return 0;
}

#endif
