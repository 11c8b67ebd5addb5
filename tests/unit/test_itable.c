/* SPDX-License-Identifier: MIT */
/*
 * The inode table, with its array and its hash. Its source is included, so that a test can set the counter of
 * generations, which takes a day to come round.
 */
#include "../../src/fuse/itable.c"

#include <pthread.h>
#include <sys/mman.h>

#include "scratch.h"

/* Enough for several rounds of splits of the hash. */
#define MANY 200000

static const struct handle root = { .type = 1, .len = 1, .bytes = { 1 } };
static struct itable *table;
static _Atomic uint64_t evicted;
static _Atomic uint64_t evicted_sum; /* of their numbers */

static struct keep *keep;

static void on_evict(void *ctx, struct inode *inode)
{
	ck_assert_ptr_eq(ctx, &evicted);
	lock_assert_none();
	atomic_fetch_add(&evicted, 1);
	atomic_fetch_add(&evicted_sum, inode->ino);
}

static void setup(void)
{
	atomic_store(&evicted, 0);
	atomic_store(&evicted_sum, 0);
	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, &evicted, &table), 0);
}

static void teardown(void)
{
	itable_free(table);
	keep_free(keep);
}

static struct inode like(uint64_t ino)
{
	struct inode i = { .ino = ino, .mode = S_IFREG };

	i.handle.len = 8;
	memcpy(i.handle.bytes, &ino, sizeof(ino));
	return i;
}

static struct inode *look_up(uint64_t ino, bool *ret_new)
{
	struct inode key = like(ino);
	struct inode *inode = NULL;

	if (itable_lookup(table, &key, &inode, ret_new) < 0)
		return NULL;
	return inode;
}

static uint64_t add(uint64_t ino)
{
	bool is_new = false;
	struct inode *inode = look_up(ino, &is_new);

	ck_assert_ptr_nonnull(inode);
	ck_assert(is_new);
	return itable_nodeid(table, inode);
}

START_TEST(root_is_there_and_stays)
{
	struct inode *inode = itable_find(table, 1);

	ck_assert_ptr_nonnull(inode);
	ck_assert_uint_eq(itable_nodeid(table, inode), 1);
	ck_assert_uint_eq(inode->ino, 2);
	itable_forget(table, 1, 1000);
	itable_forget(table, 1, 1);
	ck_assert_ptr_eq(itable_find(table, 1), inode);
	ck_assert_uint_eq(evicted, 0);
}
END_TEST

START_TEST(same_key_is_the_same_inode)
{
	bool is_new;
	uint64_t nodeid = add(10);
	struct inode *inode = look_up(10, &is_new);
	struct inode key = like(10);

	ck_assert(!is_new);
	ck_assert_ptr_eq(inode, itable_find(table, nodeid));
	ck_assert_ptr_eq(itable_peek(table, 10, &key.handle), inode);
	ck_assert_ptr_eq(itable_ref(table, nodeid), inode);
	itable_forget(table, nodeid, 2);
	itable_unref(table, inode);
	ck_assert_uint_eq(evicted, 0);
	itable_unref(table, inode);
	ck_assert_uint_eq(evicted, 1);
	ck_assert_ptr_null(itable_find(table, nodeid));
	ck_assert_ptr_null(itable_ref(table, nodeid));
	ck_assert_ptr_null(itable_peek(table, 10, &key.handle));
	ck_assert_uint_eq(itable_count(table), 1);
}
END_TEST

START_TEST(fields_are_taken_from_the_key_or_empty)
{
	struct inode key = like(10);
	struct inode *inode;
	bool is_new;

	key.place = PLACE_OTHER;
	key.size_accounted = 77;
	key.exec_epoch = 5;
	key.nopen = key.nopen_write = 9;
	key.backing_id = 9;
	key.fd = 9;
	key.nlookup = 9;
	ck_assert_int_eq(itable_lookup(table, &key, &inode, &is_new), 0);
	ck_assert_uint_eq(inode->place, PLACE_OTHER);
	ck_assert_uint_eq(inode->size_accounted, 77);
	ck_assert_uint_eq(inode->exec_epoch, 5);
	ck_assert_uint_eq(inode->nopen, 0);
	ck_assert_uint_eq(inode->nopen_write, 0);
	ck_assert_int_eq(inode->backing_id, 0);
	ck_assert_int_eq(inode->fd, -1);
	ck_assert_uint_eq(inode->nlookup, 1);
}
END_TEST

START_TEST(number_used_again_is_another_inode)
{
	struct inode key = like(10);
	struct inode *again;
	uint64_t nodeid = add(10);
	bool is_new;

	key.handle.bytes[7] = 99; /* another generation on disk */
	ck_assert_int_eq(itable_lookup(table, &key, &again, &is_new), 0);
	ck_assert(is_new);
	ck_assert_uint_ne(itable_nodeid(table, again), nodeid);
	ck_assert_ptr_eq(itable_peek(table, 10, &key.handle), again);
	itable_forget(table, nodeid, 1);
	ck_assert_ptr_nonnull(itable_find(table, itable_nodeid(table, again)));
}
END_TEST

START_TEST(handle_of_an_automatic_directory_does_not_count)
{
	struct inode key = like(EXEC_INO_BASE + 7);
	struct inode *first;
	struct inode *second;
	bool is_new;

	key.flags = INODE_AUTO;
	ck_assert_int_eq(itable_lookup(table, &key, &first, &is_new), 0);
	key.handle = (struct handle){ 0 };
	ck_assert_int_eq(itable_lookup(table, &key, &second, &is_new), 0);
	ck_assert_ptr_eq(first, second);
	ck_assert(!is_new);
	ck_assert_ptr_eq(itable_peek(table, key.ino, &root), first);
}
END_TEST

START_TEST(orphan_is_known_but_not_found)
{
	struct inode key = like(10);
	uint64_t nodeid = add(10);
	struct inode *inode = itable_find(table, nodeid);
	uint64_t other;

	itable_orphan(table, inode);
	ck_assert_ptr_eq(itable_find(table, nodeid), inode);
	ck_assert_ptr_null(itable_peek(table, 10, &key.handle));
	other = add(10);
	ck_assert_uint_ne(other, nodeid);
	itable_forget(table, other, 1);
	itable_adopt(table, inode);
	ck_assert_ptr_eq(itable_peek(table, 10, &key.handle), inode);
	itable_forget(table, nodeid, 1);
	ck_assert_uint_eq(evicted, 1);
	itable_unref(table, inode);
	ck_assert_uint_eq(evicted, 2);
}
END_TEST

START_TEST(only_a_shared_lookup_is_given_back_without_evicting)
{
	uint64_t nodeid = add(10);
	struct inode *inode = itable_ref(table, nodeid);

	ck_assert(itable_unref_shared(table, inode));
	ck_assert_ptr_eq(itable_ref(table, nodeid), inode);
	itable_forget(table, nodeid, 1);
	ck_assert(!itable_unref_shared(table, inode));
	ck_assert_ptr_eq(itable_find(table, nodeid), inode);
	ck_assert_uint_eq(evicted, 0);
	itable_unref(table, inode);
	ck_assert_uint_eq(evicted, 1);
}
END_TEST

START_TEST(forgetting_too_much_is_forgetting_all)
{
	uint64_t nodeid = add(10);

	itable_forget(table, nodeid, UINT64_MAX);
	ck_assert_uint_eq(evicted, 1);
	itable_forget(table, nodeid, 1);
	itable_forget(table, nodeid, UINT64_MAX);
	ck_assert_uint_eq(evicted, 1);
	ck_assert_uint_eq(itable_count(table), 1);
	(void)add(10);
	ck_assert_uint_eq(itable_count(table), 2);
}
END_TEST

START_TEST(node_ids_nobody_gave_are_not_found)
{
	static const uint64_t ids[] = {
		0,
		2,
		1023,
		1024,
		UINT32_MAX,
		UINT64_C(1) << 32,
		UINT64_MAX,
		INT64_MAX,
		INODES_MAX - 1,
		INODES_MAX,
		UINT64_C(1) << 63 | 1,
	};

	(void)add(10);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		ck_assert_ptr_null(itable_find(table, ids[i]));
		ck_assert_ptr_null(itable_ref(table, ids[i]));
		itable_forget(table, ids[i], 1);
	}
	ck_assert_uint_eq(evicted, 0);
}
END_TEST

START_TEST(slot_used_again_has_another_generation)
{
	uint64_t before = add(10);

	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t now;

		itable_forget(table, before, 1);
		now = add(10 + i % 3);
		ck_assert_uint_eq((uint32_t)now, (uint32_t)before);
		ck_assert_uint_ne(now >> 32, before >> 32);
		ck_assert_ptr_null(itable_find(table, before));
		before = now;
	}
}
END_TEST

START_TEST(generations_come_round_without_zero_and_the_top_bit)
{
	uint64_t nodeid;

	table->array.header->generation = INT32_MAX;
	nodeid = add(10);
	ck_assert_uint_eq(nodeid >> 32, INT32_MAX);
	itable_forget(table, nodeid, 1);
	nodeid = add(10);
	ck_assert_uint_eq(nodeid >> 32, 1);
	itable_forget(table, nodeid, 1);
	ck_assert_ptr_null(itable_find(table, (uint32_t)nodeid)); /* a free slot is nobody */
}
END_TEST

START_TEST(many_inodes_are_found)
{
	uint64_t *ids = calloc(MANY, sizeof(*ids));
	bool is_new;

	ck_assert_ptr_nonnull(ids);
	for (uint64_t i = 0; i < MANY; i++)
		ids[i] = add(i * 64 + 3); /* alike in their low bits */
	ck_assert_uint_eq(itable_count(table), MANY + 1);
	ck_assert_uint_ge(table->hash.level + table->hash.split, MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		struct inode *inode = look_up(i * 64 + 3, &is_new);

		ck_assert(!is_new);
		ck_assert_uint_eq(itable_nodeid(table, inode), ids[i]);
	}
	for (uint64_t i = 0; i < MANY; i++)
		itable_forget(table, ids[(i * 7919) % MANY], 2);
	ck_assert_uint_eq(itable_count(table), 1);
	ck_assert_uint_eq(evicted, MANY);
	free(ids);
}
END_TEST

/* Pages of the array that are in memory. */
static size_t resident(uint64_t inodes)
{
	static unsigned char pages[MANY * sizeof(struct inode) / 4096 + 64];
	size_t size = inodes * sizeof(struct inode);
	size_t n = 0;

	ck_assert_int_eq(mincore(table->array.inodes, size, pages), 0);
	for (size_t i = 0; i < (size + 4095) / 4096; i++)
		n += pages[i] & 1;
	return n;
}

START_TEST(memory_is_given_back)
{
	uint64_t *ids = calloc(MANY, sizeof(*ids));

	ck_assert_ptr_nonnull(ids);
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < MANY; i++)
			ids[i] = add(i + 10);
		ck_assert_uint_ge(resident(MANY), MANY * sizeof(struct inode) / 4096 - 1);
		for (uint64_t i = 0; i < MANY; i++)
			itable_forget(table, ids[i], 1);
		ck_assert_uint_le(resident(MANY), INODE_CHUNK * sizeof(struct inode) / 4096);
	}
	ck_assert_uint_lt(add(5) & UINT32_MAX, INODE_CHUNK); /* the lowest room is used first */
	free(ids);
}
END_TEST

START_TEST(end_evicts_everything_once)
{
	for (uint64_t ino = 100; ino < 5100; ino++)
		(void)add(ino);
	itable_free(table);
	table = NULL;
	ck_assert_uint_eq(evicted, 5001); /* and the root */
	ck_assert_uint_eq(evicted_sum, 2 + (100 + 5099) * 5000 / 2);
}
END_TEST

static void count_one(void *arg, struct inode *inode)
{
	ck_assert_uint_eq(inode->nref, 0);
	ck_assert_ptr_null(atomic_load(&inode->exec));
	++*(uint64_t *)arg;
}

/* The process dies: the table is gone, what is kept is not. */
static void die_and_come_back(void)
{
	table->left_to_take_over = true; /* so it evicts nothing */
	itable_free(table);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, &evicted, &table), 0);
}

static bool is_forgotten(uint64_t ino)
{
	return ino % 7 == 3 || (ino >= 3000 && ino < 9000); /* here and there, and whole chunks */
}

START_TEST(what_a_dead_process_knew_is_known)
{
	static uint64_t ids[20000];
	uint64_t known = 0;
	uint64_t seen = 0;
	bool is_new;

	itable_free(table);
	keep_free(keep);
	atomic_store(&evicted, 0);
	ck_assert_int_eq(keep_new(true, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, &evicted, &table), 0);
	die_and_come_back(); /* with the root alone */
	itable_take_over(table, count_one, &seen);
	ck_assert_uint_eq(seen, 0);
	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = itable_nodeid(table, look_up(100 + i, &is_new));
	ck_assert_ptr_nonnull(itable_ref(table, ids[0])); /* by somebody who dies, too */
	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++) {
		known += !is_forgotten(i);
		if (is_forgotten(i))
			itable_forget(table, ids[i], 1);
	}
	for (int again = 0; again < 2; again++) {
		die_and_come_back();
		ck_assert_uint_eq(itable_count(table), known + 1);
		seen = 0;
		itable_take_over(table, count_one, &seen);
		ck_assert_uint_eq(seen, known);
	}
	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct inode *inode = look_up(100 + i, &is_new);

		ck_assert(is_new == is_forgotten(i));
		ck_assert((itable_nodeid(table, inode) == ids[i]) == !is_new);
	}
	ck_assert_uint_eq(itable_count(table), ARRAY_SIZE(ids) + 1);
}
END_TEST

START_TEST(locks_are_shared_but_constant)
{
	struct inode *a = itable_find(table, add(10));

	ck_assert_ptr_eq(itable_lock(table, a), itable_lock(table, a));
	ck_assert_int_eq(itable_lock(table, a)->rank, LOCK_INODE);
}
END_TEST

/* Lookups are given back by whoever made them; numbers are shared among threads. */
static void *look_and_forget(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;

	for (int i = 0; i < 50000; i++) {
		uint64_t ino = 10 + (unsigned int)rand_r(&seed) % 50;
		bool is_new;
		struct inode *inode = look_up(ino, &is_new);
		uint64_t nodeid;

		if (!inode)
			return (void *)1;
		nodeid = itable_nodeid(table, inode);
		if (itable_ref(table, nodeid) != inode || inode->ino != ino)
			return (void *)2;
		itable_unref(table, inode);
		itable_forget(table, nodeid, 1);
	}
	return NULL;
}

START_TEST(threads_may_look_up_and_forget_at_the_same_time)
{
	static unsigned int seeds[4] = { 1, 2, 3, 4 };
	pthread_t threads[ARRAY_SIZE(seeds)];

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, look_and_forget, &seeds[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		void *failed;

		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(itable_count(table), 1);
}
END_TEST

/* A kernel that is wrong about its counts, and that twice at a time. */
static void *forget_all(void *arg)
{
	uint64_t *ids = arg;

	for (size_t i = 0; i < 20000; i++)
		itable_forget(table, ids[i], UINT64_MAX);
	return NULL;
}

START_TEST(inode_forgotten_twice_at_the_same_time_is_evicted_once)
{
	uint64_t *ids = calloc(20000, sizeof(*ids));
	pthread_t threads[4];

	ck_assert_ptr_nonnull(ids);
	for (size_t i = 0; i < 20000; i++)
		ids[i] = add(i + 10);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, forget_all, ids), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(evicted, 20000);
	ck_assert_uint_eq(itable_count(table), 1);
	free(ids);
}
END_TEST

/* All that scanning finds of an execution, which is only compared. */
static uint64_t scan_sum(const struct execution *e, uint32_t *ret_n)
{
	uint64_t ids[ITABLE_SCAN_MAX];
	uint64_t sum = 0;
	uint32_t piece = 0;
	uint32_t n;

	*ret_n = 0;
	while (itable_scan(table, e, &piece, ids, &n)) {
		for (uint32_t i = 0; i < n; i++)
			sum += itable_find(table, ids[i])->ino;
		*ret_n += n;
	}
	return sum;
}

START_TEST(scan_finds_those_of_an_execution)
{
	static struct execution a;
	static struct execution b;
	struct execution *of[] = { &a, &b };
	static uint64_t ids[3 * ITABLE_SCAN_MAX];
	uint64_t sum[2] = { 0 };
	uint32_t n;

	for (uint64_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct inode key = like(100 + i);
		struct inode *inode;
		bool is_new;

		key.exec = of[i % 3 == 0];
		ck_assert_int_eq(itable_lookup(table, &key, &inode, &is_new), 0);
		ids[i] = itable_nodeid(table, inode);
		sum[i % 3 == 0] += 100 + i;
	}
	ck_assert_uint_eq(scan_sum(&a, &n), sum[0]);
	ck_assert_uint_eq(n, 2 * ITABLE_SCAN_MAX);
	ck_assert_uint_eq(scan_sum(&b, &n), sum[1]);
	ck_assert_uint_eq(n, ITABLE_SCAN_MAX);

	/* What is forgotten is not found; nor are chunks that have been given back. */
	for (uint64_t i = 0; i < 2 * ITABLE_SCAN_MAX; i++) {
		sum[i % 3 == 0] -= 100 + i;
		itable_forget(table, ids[i], 1);
	}
	ck_assert_uint_eq(scan_sum(&a, &n), sum[0]);
	ck_assert_uint_eq(scan_sum(&b, &n), sum[1]);
	for (uint64_t i = 2 * ITABLE_SCAN_MAX; i < ARRAY_SIZE(ids); i++)
		itable_forget(table, ids[i], 1);
	ck_assert_uint_eq(scan_sum(&a, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		root_is_there_and_stays,
		same_key_is_the_same_inode,
		fields_are_taken_from_the_key_or_empty,
		number_used_again_is_another_inode,
		handle_of_an_automatic_directory_does_not_count,
		orphan_is_known_but_not_found,
		only_a_shared_lookup_is_given_back_without_evicting,
		forgetting_too_much_is_forgetting_all,
		node_ids_nobody_gave_are_not_found,
		slot_used_again_has_another_generation,
		generations_come_round_without_zero_and_the_top_bit,
		many_inodes_are_found,
		memory_is_given_back,
		end_evicts_everything_once,
		what_a_dead_process_knew_is_known,
		locks_are_shared_but_constant,
		threads_may_look_up_and_forget_at_the_same_time,
		scan_finds_those_of_an_execution,
		inode_forgotten_twice_at_the_same_time_is_evicted_once,
	};

	return RUN_TESTS("itable", tests, setup, teardown);
}
