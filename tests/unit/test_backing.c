/* SPDX-License-Identifier: MIT */
/*
 * Backing ids, as far as they go without a FUSE device: the ring of ids that stay registered.
 */
#include "fuse/backing.h"

#include "fuse/itable.h"
#include "scratch.h"

static struct itable *table;
static struct backing *backing;

static struct keep *keep;

static void on_evict(void *ctx, struct inode *inode)
{
	(void)ctx;
	(void)inode;
}

static void setup(void)
{
	struct handle root = { .type = 1, .len = 1 };

	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, NULL, &table), 0);
	ck_assert_int_eq(backing_new(table, &backing), 0);
}

static void teardown(void)
{
	backing_free(backing);
	itable_free(table);
	keep_free(keep);
}

/* A closed inode with an id, as op_open.c leaves it. */
static struct inode *add_warm(uint64_t ino)
{
	struct inode key = { .ino = ino, .mode = S_IFREG };
	struct inode *inode;
	bool is_new;

	ck_assert_int_eq(itable_lookup(table, &key, &inode, &is_new), 0);
	inode->backing_id = (int32_t)ino;
	atomic_fetch_or(&inode->flags, INODE_WARM);
	backing_keep(backing, inode);
	return inode;
}

START_TEST(without_a_device_nothing_is_registered)
{
	ck_assert_int_eq(backing_register(backing, STDIN_FILENO), -EBADF);
	backing_unregister(backing, 7);
	backing_unregister(backing, 0);
	backing_unregister(NULL, 0);
	backing_free(NULL);
}
END_TEST

START_TEST(what_is_no_device_registers_nothing)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	backing_set_device(backing, null);
	ck_assert_int_eq(backing_register(backing, STDIN_FILENO), -ENOTTY);
	backing_unregister(backing, 7);
	backing_set_device(backing, -1);
}
END_TEST

START_TEST(oldest_gives_up_its_id_when_the_ring_is_full)
{
	struct inode *first = add_warm(10);
	struct inode *busy = add_warm(11);
	struct inode *third;

	busy->nopen = 1;
	third = add_warm(12);
	for (uint64_t i = 0; i < BACKING_WARM - 3; i++)
		(void)add_warm(100 + i);
	ck_assert_int_eq(first->backing_id, 10);
	(void)add_warm(20000);
	ck_assert_int_eq(first->backing_id, 0);
	ck_assert_uint_eq(atomic_load(&first->flags) & INODE_WARM, 0);
	(void)add_warm(20001); /* in use: keeps the id, comes back to the ring when it is closed */
	ck_assert_int_eq(busy->backing_id, 11);
	ck_assert_uint_eq(atomic_load(&busy->flags) & INODE_WARM, 0);
	ck_assert_int_eq(third->backing_id, 12);
	ck_assert_uint_eq(first->nlookup, 1); /* references are given back */
	ck_assert_uint_eq(busy->nlookup, 1);
}
END_TEST

START_TEST(inode_forgotten_meanwhile_is_not_touched)
{
	struct inode *first = add_warm(10);
	uint64_t index = (uint32_t)itable_nodeid(table, first);
	struct inode *second;

	itable_take_back(table, itable_nodeid(table, first));
	for (uint64_t i = 0; i < BACKING_WARM - 1; i++)
		(void)add_warm(100 + i);
	second = itable_find(table, itable_nodeid(table, first)); /* took the place */
	ck_assert_ptr_nonnull(second);
	ck_assert_uint_eq((uint32_t)itable_nodeid(table, second), index);
	(void)add_warm(20000);
	ck_assert_int_eq(second->backing_id, 100);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		without_a_device_nothing_is_registered,
		what_is_no_device_registers_nothing,
		oldest_gives_up_its_id_when_the_ring_is_full,
		inode_forgotten_meanwhile_is_not_touched,
	};

	return RUN_TESTS("backing", tests, setup, teardown);
}
