/* SPDX-License-Identifier: MIT */
/*
 * Inodes of files that the kernel does not know.
 */
#include "fuse/forgotten.h"

#include "exec_fixture.h"

static struct fs fs;
static struct execution *exec;
static uint64_t ino;
static struct handle handle;

static struct keep *keep;

static void on_evict(void *ctx, struct inode *gone)
{
	(void)ctx;
	exec_unref(fix.execs, gone->exec);
}

/* A flat file of execution 4711, with its row, which nobody has looked up. */
static void setup(void)
{
	struct handle root = { .type = 1, .len = 1 };
	struct ledger_file row = { .ttl_ns = LEDGER_TTL_DEFAULT };

	exec_setup();
	exec = exec_get(fix.execs, "4711", LIFETIME_TTL);
	add_flat(exec, "4711_f");
	ino = ino_of(fix.store.tree_fd, "4711_f");
	ck_assert_int_eq(handle_at(fix.store.tree_fd, "4711_f", &handle), 0);
	row.ino = ino;
	row.execution = exec_number(exec);
	ledger_file_put(fix.ledger, &row);
	fs = (struct fs){ .store = &fix.store, .ledger = fix.ledger, .execs = fix.execs };
	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, NULL, &fs.itable), 0);
}

static void teardown(void)
{
	exec_unref(fix.execs, exec);
	itable_free(fs.itable);
	keep_free(keep);
	exec_teardown();
}

static int find(struct inode **ret)
{
	return forgotten_find(&fs, ino, &handle, ret);
}

START_TEST(known_as_long_as_somebody_wants_it)
{
	struct inode *inode, *again;

	ck_assert_int_eq(find(&inode), 0);
	ck_assert_ptr_eq(inode->exec, exec);
	ck_assert_uint_eq(inode->size_accounted, 1);
	ck_assert_uint_eq(inode->mode, S_IFREG);
	ck_assert_int_eq(find(&again), 0);
	ck_assert_ptr_eq(again, inode);
	itable_unref(fs.itable, again);
	itable_unref(fs.itable, inode);
	ck_assert_ptr_null(itable_peek(fs.itable, ino, &handle));
}
END_TEST

START_TEST(not_without_a_row)
{
	struct inode *inode;

	ledger_file_gone(fix.ledger, ino);
	ck_assert_int_eq(find(&inode), -ESTALE);
}
END_TEST

START_TEST(not_of_an_execution_that_is_over)
{
	struct inode *inode;

	ck_assert_int_eq(release_now(exec), 0);
	ck_assert_int_eq(find(&inode), -ESTALE);
}
END_TEST

START_TEST(not_if_it_is_gone)
{
	struct inode *inode;

	ck_assert_int_eq(unlinkat(fix.store.tree_fd, "4711_f", 0), 0);
	ck_assert_int_eq(find(&inode), -ESTALE);
	ino++;
	ck_assert_int_eq(find(&inode), -ESTALE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		known_as_long_as_somebody_wants_it,
		not_without_a_row,
		not_of_an_execution_that_is_over,
		not_if_it_is_gone,
	};

	return RUN_TESTS("forgotten", tests, setup, teardown);
}
