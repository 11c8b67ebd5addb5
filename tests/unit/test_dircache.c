/* SPDX-License-Identifier: MIT */
/*
 * The directory cache: what it keeps, what it gives up, and that it neither leaks nor closes what is in use.
 */
#include "store/dircache.h"

#include <pthread.h>

#include "scratch.h"

/* Directories that are used at random by threads. */
#define NDIRS 64

static struct dircache *cache;
static int fds_before;

/* Descriptors that were told of and not yet to be closed. */
static _Atomic int told;

static void opened(int fd)
{
	(void)fd;
	told++;
}

static void closes(int fd)
{
	(void)fd;
	told--;
}

static const struct dircache_upcalls counting = { opened, closes };

static void setup(void)
{
	scratch_setup();
	fds_before = count_fds();
	ck_assert_int_eq(dircache_new(scratch.fd, 0, &counting, &cache), 0);
}

static void teardown(void)
{
	dircache_free(cache);
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(told, 0);
	scratch_teardown();
}

static struct handle new_dir(const char *name)
{
	struct handle h;

	ck_assert_int_eq(mkdirat(scratch.fd, name, 0700), 0);
	ck_assert_int_eq(handle_at(scratch.fd, name, &h), 0);
	return h;
}

static bool is_dir(const struct dirref *ref, const struct handle *h)
{
	struct handle got;

	return handle_at(ref->fd, "", &got) == 0 && handle_equal(&got, h);
}

START_TEST(same_directory_is_opened_once)
{
	struct handle h = new_dir("a");
	struct dirref first;
	struct dirref second;

	ck_assert_int_eq(dircache_get(cache, 5, &h, &first), 0);
	ck_assert_int_eq(dircache_get(cache, 5, &h, &second), 0);
	ck_assert_int_eq(first.fd, second.fd);
	ck_assert(is_dir(&first, &h));
	dircache_put(cache, &first);
	dircache_put(cache, &second);
	ck_assert_int_eq(count_fds(), fds_before + 1); /* kept */
	ck_assert_int_eq(told, 1);
}
END_TEST

START_TEST(node_with_another_directory_gets_that)
{
	struct handle a = new_dir("a");
	struct handle b = new_dir("b");
	struct dirref in_use;
	struct dirref ref;

	ck_assert_int_eq(dircache_get(cache, 5, &a, &in_use), 0);
	ck_assert_int_eq(dircache_get(cache, 5, &b, &ref), 0);
	ck_assert(is_dir(&ref, &b));
	dircache_put(cache, &ref);
	ck_assert(is_dir(&in_use, &a));
	dircache_put(cache, &in_use);
	ck_assert_int_eq(dircache_get(cache, 5, &b, &ref), 0); /* idle: replaced */
	ck_assert(is_dir(&ref, &b));
	dircache_put(cache, &ref);
	ck_assert_int_eq(count_fds(), fds_before + 1);
}
END_TEST

START_TEST(dropped_directory_is_closed_by_its_last_user)
{
	struct handle h = new_dir("a");
	struct dirref first;
	struct dirref second;
	struct dirref third;

	ck_assert_int_eq(dircache_get(cache, 5, &h, &first), 0);
	ck_assert_int_eq(dircache_get(cache, 5, &h, &second), 0);
	dircache_drop(cache, 5);
	dircache_put(cache, &first);
	ck_assert(is_dir(&second, &h));
	ck_assert_int_eq(dircache_get(cache, 5, &h, &third), 0); /* the slot is still taken */
	ck_assert_int_ne(third.fd, second.fd);
	dircache_put(cache, &second);
	dircache_put(cache, &third);
	ck_assert_int_eq(count_fds(), fds_before);
	dircache_drop(cache, 5);
	dircache_drop(cache, 6);
	ck_assert_int_eq(dircache_get(cache, 5, &h, &first), 0);
	dircache_put(cache, &first);
	dircache_drop(cache, 5);
	ck_assert_int_eq(count_fds(), fds_before);
}
END_TEST

START_TEST(descriptors_are_bounded)
{
	struct handle h = new_dir("a");
	struct dirref ref;

	for (uint64_t node = 1; node <= 20 * DIRCACHE_MIN; node++) {
		ck_assert_int_eq(dircache_get(cache, node << 32 | node, &h, &ref), 0);
		dircache_put(cache, &ref);
	}
	ck_assert_int_le(count_fds(), fds_before + DIRCACHE_MIN);
}
END_TEST

START_TEST(more_in_use_than_slots_is_fine)
{
	static struct dirref refs[3 * DIRCACHE_MIN];
	struct handle h = new_dir("a");

	for (size_t i = 0; i < ARRAY_SIZE(refs); i++)
		ck_assert_int_eq(dircache_get(cache, i + 1, &h, &refs[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		ck_assert(is_dir(&refs[i], &h));
		dircache_put(cache, &refs[i]);
	}
	ck_assert_int_le(count_fds(), fds_before + DIRCACHE_MIN);
}
END_TEST

START_TEST(as_many_are_kept_as_there_are_descriptors_for)
{
	const uint64_t fds = 2 * DIRCACHE_MIN + 1;
	struct handle h = new_dir("a");
	struct dirref ref;

	dircache_free(cache);
	ck_assert_int_eq(dircache_new(scratch.fd, fds, NULL, &cache), 0);
	for (uint64_t node = 1; node <= 20 * fds; node++) {
		ck_assert_int_eq(dircache_get(cache, node << 32 | node, &h, &ref), 0);
		dircache_put(cache, &ref);
	}
	ck_assert_int_le(count_fds(), fds_before + (int)fds);
	ck_assert_int_gt(count_fds(), fds_before + DIRCACHE_MIN);
}
END_TEST

START_TEST(those_in_use_stay_when_descriptors_are_wanted)
{
	struct handle h = new_dir("a");
	struct dirref used;
	struct dirref ref;

	for (uint64_t node = 1; node <= 8; node++) {
		ck_assert_int_eq(dircache_get(cache, node, &h, node == 1 ? &used : &ref), 0);
		if (node > 1)
			dircache_put(cache, &ref);
	}
	dircache_shrink(cache, DIRCACHE_MIN);
	ck_assert_int_eq(count_fds(), fds_before + 1);
	ck_assert(is_dir(&used, &h));
	dircache_put(cache, &used);
	ck_assert_int_eq(count_fds(), fds_before + 1);
	dircache_shrink(cache, DIRCACHE_MIN);
	ck_assert_int_eq(count_fds(), fds_before);
}
END_TEST

START_TEST(after_the_end_none_is_kept)
{
	struct handle h = new_dir("a");
	struct dirref ref;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(dircache_get(cache, 1, &h, &ref), 0);
		ck_assert(is_dir(&ref, &h));
		dircache_put(cache, &ref);
		dircache_end(cache);
		ck_assert_int_eq(count_fds(), fds_before);
	}
}
END_TEST

START_TEST(directory_that_is_gone_is_stale)
{
	struct handle h = new_dir("a");
	struct handle none = { 0 };
	struct dirref ref;

	ck_assert_int_eq(unlinkat(scratch.fd, "a", AT_REMOVEDIR), 0);
	ck_assert_int_eq(dircache_get(cache, 5, &h, &ref), -ESTALE);
	ck_assert_int_eq(dircache_get(cache, 5, &none, &ref), -ESTALE);
}
END_TEST

START_TEST(file_is_no_directory)
{
	struct dirref ref;
	struct handle h;

	add_file(scratch.fd, "f", "");
	ck_assert_int_eq(handle_at(scratch.fd, "f", &h), 0);
	ck_assert_int_eq(dircache_get(cache, 5, &h, &ref), -ENOTDIR);
}
END_TEST

START_TEST(putting_nothing_is_allowed)
{
	struct dirref none = { .fd = -1, .slot = -1 };

	dircache_put(cache, &none);
	dircache_free(NULL);
}
END_TEST

static struct handle dirs[NDIRS];

static void *use_at_random(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;

	for (int i = 0; i < 5000; i++) {
		unsigned int at = (unsigned int)rand_r(&seed) % NDIRS;
		struct dirref ref;

		if (i % 5 == 0)
			dircache_drop(cache, at + 1);
		if (dircache_get(cache, at + 1, &dirs[at], &ref) < 0 || !is_dir(&ref, &dirs[at]))
			return (void *)1;
		dircache_put(cache, &ref);
	}
	return NULL;
}

START_TEST(threads_find_their_directories)
{
	static unsigned int seeds[4] = { 1, 2, 3, 4 };
	pthread_t threads[ARRAY_SIZE(seeds)];
	char name[16];

	for (int i = 0; i < NDIRS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		dirs[i] = new_dir(name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_at_random, &seeds[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		void *failed;

		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	for (uint64_t node = 1; node <= NDIRS; node++)
		dircache_drop(cache, node);
	ck_assert_int_eq(count_fds(), fds_before);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		same_directory_is_opened_once,
		node_with_another_directory_gets_that,
		dropped_directory_is_closed_by_its_last_user,
		descriptors_are_bounded,
		more_in_use_than_slots_is_fine,
		as_many_are_kept_as_there_are_descriptors_for,
		those_in_use_stay_when_descriptors_are_wanted,
		after_the_end_none_is_kept,
		directory_that_is_gone_is_stale,
		file_is_no_directory,
		putting_nothing_is_allowed,
		threads_find_their_directories,
	};

	return RUN_TESTS("dircache", tests, setup, teardown);
}
