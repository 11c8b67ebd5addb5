/* SPDX-License-Identifier: MIT */
/*
 * The questions: every field comes back as it went in, orders, limits, borders of times.
 */
#include "ledger_fixture.h"

#define NOW INT64_C(1000000)

static struct ledger *l;

static void setup(void)
{
	fixture_setup();
	l = fixture_open(LEDGER_NEW);
}

static void teardown(void)
{
	ledger_free(l);
	fixture_teardown();
}

static void sync_ledger(void)
{
	ck_assert_int_eq(ledger_sync(l), 0);
}

/* ---- collecting what `each` gets ---- */

struct files {
	size_t n;
	struct ledger_file file[16];
};

static int add_file(void *arg, const struct ledger_file *f)
{
	struct files *files = arg;

	files->file[files->n++] = *f;
	return 0;
}

struct executions {
	size_t n;
	struct ledger_execution execution[16];
};

static int add_execution(void *arg, const struct ledger_execution *e)
{
	struct executions *executions = arg;

	executions->execution[executions->n++] = *e;
	return 0;
}

struct releases {
	size_t n;
	struct ledger_release release[16];
};

static int add_release(void *arg, const struct ledger_release *r)
{
	struct releases *releases = arg;

	releases->release[releases->n++] = *r;
	return 0;
}

static int stop_at_once(void *arg, const struct ledger_execution *e)
{
	(void)e;
	++*(int *)arg;
	return 77;
}

/* ---- executions ---- */

START_TEST(execution_comes_back_whole)
{
	struct ledger_execution e = fixture_execution(3, "4711");
	struct executions got = { 0 };
	const struct ledger_execution *g = got.execution;

	memcpy(e.owner.comm, "\xff\xfe n\xc3", 6);
	e.owner.uid = UINT32_MAX;
	e.owner.gid = 65532;
	e.owner.pid = 0;
	e.ttl_ns = LEDGER_TTL_NEVER;
	e.pinned = true;
	ledger_execution_put(l, &e);
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, add_execution, &got), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(g->number, 3);
	ck_assert_str_eq(g->id, "4711");
	ck_assert_uint_eq(g->owner.uid, UINT32_MAX);
	ck_assert_uint_eq(g->owner.gid, 65532);
	ck_assert_int_eq(g->owner.pid, 0);
	ck_assert_str_eq(g->owner.comm, "\xff\xfe n\xc3");
	ck_assert_int_eq(g->created_real_ns, 103);
	ck_assert_int_eq(g->activity_ns, 200);
	ck_assert_int_eq(g->ttl_ns, LEDGER_TTL_NEVER);
	ck_assert(g->pinned);
}
END_TEST

START_TEST(longest_id_and_command_fit)
{
	struct ledger_execution e = fixture_execution(1, "");
	struct executions got = { 0 };

	memset(e.id, 'x', LEDGER_ID_MAX);
	memcpy(e.owner.comm, "123456789012345", LEDGER_COMM_MAX);
	ledger_execution_put(l, &e);
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, add_execution, &got), 0);
	ck_assert_str_eq(got.execution[0].id, e.id);
	ck_assert_str_eq(got.execution[0].owner.comm, e.owner.comm);
}
END_TEST

START_TEST(put_replaces_and_activity_updates)
{
	struct ledger_execution e = fixture_execution(1, "a");
	struct executions got = { 0 };

	ledger_execution_put(l, &e);
	e.pinned = true;
	ledger_execution_put(l, &e);
	ledger_execution_activity(l, 1, 999);
	ledger_execution_activity(l, 2, 999); /* nobody */
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, add_execution, &got), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert(got.execution[0].pinned);
	ck_assert_int_eq(got.execution[0].activity_ns, 999);
}
END_TEST

START_TEST(executions_come_oldest_first)
{
	struct ledger_execution e = fixture_execution(1, "a");
	struct executions got = { 0 };

	e.created_real_ns = 30;
	ledger_execution_put(l, &e);
	e.number = 2;
	e.created_real_ns = 10;
	ledger_execution_put(l, &e);
	e.number = 3;
	e.created_real_ns = 20;
	ledger_execution_put(l, &e);
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, add_execution, &got), 0);
	ck_assert_uint_eq(got.n, 3);
	ck_assert_uint_eq(got.execution[0].number, 2);
	ck_assert_uint_eq(got.execution[1].number, 3);
	ck_assert_uint_eq(got.execution[2].number, 1);
}
END_TEST

START_TEST(forgotten_execution_leaves_no_trace)
{
	struct ledger_execution e = fixture_execution(1, "a");
	struct releases releases = { 0 };
	int n = 0;

	ledger_execution_put(l, &e);
	ledger_execution_forget(l, 1);
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(ledger_each_release(l, "a", 9, add_release, &releases), 0);
	ck_assert_uint_eq(releases.n, 0);
}
END_TEST

START_TEST(each_can_end_the_walk)
{
	struct ledger_execution e = fixture_execution(1, "a");
	int n = 0;

	ledger_execution_put(l, &e);
	e.number = 2;
	ledger_execution_put(l, &e);
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, stop_at_once, &n), 77);
	ck_assert_int_eq(n, 1);
}
END_TEST

static int ask_again(void *arg, const struct ledger_execution *e)
{
	uint64_t files, bytes;

	(void)arg;
	ledger_execution_forget(l, e->number);
	ck_assert_int_eq(ledger_sync(l), 0);
	return ledger_usage(l, e->number, &files, &bytes);
}

START_TEST(each_may_use_the_ledger)
{
	int n = 0;

	for (uint64_t i = 1; i <= 40; i++) {
		struct ledger_execution e = fixture_execution(i, "a");

		ledger_execution_put(l, &e);
	}
	sync_ledger();
	ck_assert_int_eq(ledger_each_execution(l, ask_again, NULL), 0);
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 0);
}
END_TEST

/* ---- expiry of single files ---- */

static void put_expiring(uint64_t ino, int64_t activity_ns, int64_t ttl_ns)
{
	struct ledger_file f = fixture_file(ino, 1, 10);

	f.own_lifetime = true;
	f.activity_ns = activity_ns;
	f.ttl_ns = ttl_ns;
	ledger_file_put(l, &f);
}

START_TEST(expired_file_comes_back_whole)
{
	struct ledger_file f = fixture_file(UINT64_MAX - 1, 12, UINT64_C(1) << 40);
	struct files got = { 0 };
	const struct ledger_file *g = got.file;

	f.own_lifetime = true;
	f.ttl_ns = 7;
	f.handle_len = LEDGER_HANDLE_MAX;
	f.handle_type = -5;
	memset(f.handle, 0xa5, sizeof(f.handle));
	ledger_file_put(l, &f);
	sync_ledger();
	ck_assert_int_eq(ledger_each_expired_file(l, NOW, 1, 9, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(g->ino, UINT64_MAX - 1);
	ck_assert_uint_eq(g->execution, 12);
	ck_assert_uint_eq(g->size_bytes, UINT64_C(1) << 40);
	ck_assert_int_eq(g->ttl_ns, 7);
	ck_assert(g->own_lifetime);
	ck_assert_int_eq(g->activity_ns, 1000);
	ck_assert_uint_eq(g->handle_len, LEDGER_HANDLE_MAX);
	ck_assert_int_eq(g->handle_type, -5);
	ck_assert_mem_eq(g->handle, f.handle, LEDGER_HANDLE_MAX);
}
END_TEST

START_TEST(file_expires_when_activity_plus_ttl_is_reached)
{
	struct files got = { 0 };

	put_expiring(1, NOW - 100, 100);
	put_expiring(2, NOW - 100, 101);
	put_expiring(3, NOW - 50, LEDGER_TTL_DEFAULT);
	put_expiring(4, NOW - 49, LEDGER_TTL_DEFAULT);
	sync_ledger();
	ck_assert_int_eq(ledger_each_expired_file(l, NOW, 50, 9, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_uint_eq(got.file[0].ino, 1);
	ck_assert_uint_eq(got.file[1].ino, 3);
}
END_TEST

START_TEST(longest_overdue_comes_first_up_to_max)
{
	struct files got = { 0 };

	put_expiring(1, 500, LEDGER_TTL_DEFAULT); /* 600 */
	put_expiring(2, 100, 450);		  /* 550 */
	put_expiring(3, 300, LEDGER_TTL_DEFAULT); /* 400 */
	put_expiring(4, 100, 200);		  /* 300 */
	put_expiring(5, 800, 1);		  /* 801 */
	sync_ledger();
	ck_assert_int_eq(ledger_each_expired_file(l, NOW, 100, 4, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 4);
	ck_assert_uint_eq(got.file[0].ino, 4);
	ck_assert_uint_eq(got.file[1].ino, 3);
	ck_assert_uint_eq(got.file[2].ino, 2);
	ck_assert_uint_eq(got.file[3].ino, 1);
	got.n = 0;
	ck_assert_int_eq(ledger_each_expired_file(l, NOW, 100, 0, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(files_that_never_expire_never_do)
{
	struct files got = { 0 };
	struct ledger_file f = fixture_file(1, 1, 1);
	int64_t next;

	ledger_file_put(l, &f); /* its execution's lifetime */
	put_expiring(2, 1, LEDGER_TTL_NEVER);
	put_expiring(3, INT64_MAX - 1, LEDGER_TTL_NEVER - 1);
	put_expiring(4, 1, LEDGER_TTL_DEFAULT);
	sync_ledger();
	ck_assert_int_eq(ledger_each_expired_file(l, INT64_MAX - 1, LEDGER_TTL_NEVER, 9, add_file,
						  &got),
			 0);
	ck_assert_uint_eq(got.n, 0);
	ck_assert_int_eq(ledger_next_file_expiry(l, LEDGER_TTL_NEVER, &next), 0);
	ck_assert_int_eq(next, INT64_MAX);
}
END_TEST

START_TEST(activity_puts_expiry_off)
{
	struct files got = { 0 };

	put_expiring(1, 100, 10);
	put_expiring(2, 100, LEDGER_TTL_DEFAULT);
	ledger_file_activity(l, 1, NOW);
	ledger_file_activity(l, 2, NOW);
	sync_ledger();
	ck_assert_int_eq(ledger_each_expired_file(l, NOW, 10, 9, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 0);
	ck_assert_int_eq(ledger_each_expired_file(l, NOW + 10, 10, 9, add_file, &got), 0);
	ck_assert_uint_eq(got.n, 2);
}
END_TEST

START_TEST(next_expiry_is_the_earliest_of_both_kinds)
{
	int64_t next;

	sync_ledger();
	ck_assert_int_eq(ledger_next_file_expiry(l, 10, &next), 0);
	ck_assert_int_eq(next, INT64_MAX);
	put_expiring(1, 100, 50);
	sync_ledger();
	ck_assert_int_eq(ledger_next_file_expiry(l, 10, &next), 0);
	ck_assert_int_eq(next, 150);
	put_expiring(2, 120, LEDGER_TTL_DEFAULT);
	sync_ledger();
	ck_assert_int_eq(ledger_next_file_expiry(l, 10, &next), 0);
	ck_assert_int_eq(next, 130);
	ck_assert_int_eq(ledger_next_file_expiry(l, 1000, &next), 0);
	ck_assert_int_eq(next, 150);
	ledger_file_gone(l, 1);
	ledger_file_gone(l, 2);
	sync_ledger();
	ck_assert_int_eq(ledger_next_file_expiry(l, 10, &next), 0);
	ck_assert_int_eq(next, INT64_MAX);
}
END_TEST

/* ---- releases and sums ---- */

START_TEST(release_comes_back_whole)
{
	struct ledger_release r = fixture_release(0, "_");
	struct releases got = { 0 };
	const struct ledger_release *g = got.release;

	memcpy(r.path, "dir/\xff\x01.bin", 10);
	r.reason = LEDGER_EVICTED;
	r.by = (struct ledger_owner){ .uid = 1, .gid = 2, .pid = 3, .comm = "rm" };
	r.owner = (struct ledger_owner){ .uid = 4, .gid = 5, .pid = 6, .comm = "cp" };
	ledger_release(l, &r);
	sync_ledger();
	ck_assert_int_eq(ledger_each_release(l, "_", 9, add_release, &got), 0);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(g->number, 0);
	ck_assert_str_eq(g->id, "_");
	ck_assert_str_eq(g->path, r.path);
	ck_assert_int_eq(g->reason, LEDGER_EVICTED);
	ck_assert_mem_eq(&g->by, &r.by, sizeof(r.by));
	ck_assert_mem_eq(&g->owner, &r.owner, sizeof(r.owner));
	ck_assert_int_eq(g->created_real_ns, 1);
	ck_assert_int_eq(g->activity_real_ns, 2);
	ck_assert_int_eq(g->released_real_ns, 3);
	ck_assert_int_eq(g->ttl_ns, 4);
	ck_assert_uint_eq(g->bytes, 5);
	ck_assert_uint_eq(g->files, 6);
}
END_TEST

START_TEST(releases_come_newest_first_up_to_max)
{
	struct releases got = { 0 };

	for (uint64_t i = 1; i <= 5; i++) {
		struct ledger_release r = fixture_release(i, i == 3 ? "other" : "4711");

		ledger_release(l, &r);
	}
	sync_ledger();
	ck_assert_int_eq(ledger_each_release(l, "4711", 3, add_release, &got), 0);
	ck_assert_uint_eq(got.n, 3);
	ck_assert_uint_eq(got.release[0].number, 5);
	ck_assert_uint_eq(got.release[1].number, 4);
	ck_assert_uint_eq(got.release[2].number, 2);
	got.n = 0;
	ck_assert_int_eq(ledger_each_release(l, "unknown", 9, add_release, &got), 0);
	ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(release_removes_the_execution_and_its_files)
{
	struct ledger_execution e = fixture_execution(1, "a");
	struct ledger_release r = fixture_release(1, "a");
	uint64_t files, bytes;
	int n = 0;

	ledger_execution_put(l, &e);
	for (uint64_t ino = 1; ino <= 10; ino++) {
		struct ledger_file f = fixture_file(ino, 1 + ino % 2, 10);

		ledger_file_put(l, &f);
	}
	ledger_release(l, &r);
	sync_ledger();
	ck_assert_int_eq(ledger_usage(l, 1, &files, &bytes), 0);
	ck_assert_uint_eq(files, 0);
	ck_assert_int_eq(ledger_usage(l, 2, &files, &bytes), 0);
	ck_assert_uint_eq(files, 5);
	ck_assert_int_eq(ledger_each_execution(l, fixture_count_execution, &n), 0);
	ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(release_of_a_single_file_removes_nothing)
{
	struct ledger_file f = fixture_file(1, 0, 10);
	struct ledger_release r = fixture_release(0, "_");
	uint64_t files, bytes;

	ledger_file_put(l, &f);
	ledger_release(l, &r);
	sync_ledger();
	ck_assert_int_eq(ledger_usage(l, 0, &files, &bytes), 0);
	ck_assert_uint_eq(files, 1);
}
END_TEST

START_TEST(usage_follows_the_files)
{
	struct ledger_file f = fixture_file(1, 1, 10);
	uint64_t files, bytes;

	ledger_file_put(l, &f);
	ledger_file_put(l, &f);
	f.ino = 2;
	ledger_file_put(l, &f);
	f.ino = 3;
	ledger_file_put(l, &f);
	ledger_file_size(l, 1, 100);
	ledger_file_move(l, 2, 9);
	ledger_file_gone(l, 3);
	sync_ledger();
	ck_assert_int_eq(ledger_usage(l, 1, &files, &bytes), 0);
	ck_assert_uint_eq(files, 1);
	ck_assert_uint_eq(bytes, 100);
	ck_assert_int_eq(ledger_usage(l, 9, &files, &bytes), 0);
	ck_assert_uint_eq(files, 1);
	ck_assert_uint_eq(bytes, 10);
}
END_TEST

START_TEST(sums_beyond_63_bits_are_cut_off)
{
	struct ledger_file f = fixture_file(1, 1, INT64_MAX - 1);
	uint64_t files, bytes;

	for (uint64_t n = 1; n <= 3; n++) {
		f.ino = n;
		ledger_file_put(l, &f);
		sync_ledger();
		ck_assert_int_eq(ledger_usage(l, 1, &files, &bytes), 0);
		ck_assert_uint_eq(files, n);
		ck_assert_uint_eq(bytes, n == 1 ? INT64_MAX - 1 : INT64_MAX);
	}
}
END_TEST

static const struct ledger_seal seal_a = {
	.xxh3 = { 0, 1, 2, 255 },
	.size_bytes = UINT64_MAX,
	.mtime_ns = INT64_MAX,
	.ctime_ns = -1,
};

static void assert_seal(uint64_t ino, const struct ledger_seal *expected)
{
	struct ledger_seal got;

	ck_assert_int_eq(ledger_seal(l, ino, &got), 0);
	ck_assert_mem_eq(got.xxh3, expected->xxh3, LEDGER_XXH3_SIZE);
	ck_assert_uint_eq(got.size_bytes, expected->size_bytes);
	ck_assert_int_eq(got.mtime_ns, expected->mtime_ns);
	ck_assert_int_eq(got.ctime_ns, expected->ctime_ns);
}

START_TEST(seal_comes_back_whole_and_goes_with_the_row)
{
	struct ledger_file f = fixture_file(1, 1, 10);
	struct ledger_seal got;

	ledger_file_put(l, &f);
	sync_ledger();
	ck_assert_int_eq(ledger_seal(l, 1, &got), -ENODATA);
	ledger_file_sealed(l, 1, &seal_a);
	ledger_file_sealed(l, 2, &seal_a); /* has no row */
	sync_ledger();
	assert_seal(1, &seal_a);
	ck_assert_int_eq(ledger_seal(l, 2, &got), -ENODATA);
	f.execution = 2; /* moved: the content is the same */
	ledger_file_put(l, &f);
	sync_ledger();
	assert_seal(1, &seal_a);
	ledger_file_gone(l, 1);
	ledger_file_put(l, &f);
	sync_ledger();
	ck_assert_int_eq(ledger_seal(l, 1, &got), -ENODATA);
}
END_TEST

START_TEST(newer_seal_counts_until_all_are_forgotten)
{
	struct ledger_file f = fixture_file(1, 1, 10);
	struct ledger_seal b = { .xxh3 = { 9 }, .size_bytes = 1 };
	struct ledger_seal got;

	ledger_file_put(l, &f);
	ledger_file_sealed(l, 1, &seal_a);
	ledger_file_sealed(l, 1, &b);
	sync_ledger();
	assert_seal(1, &b);
	ledger_seals_forget(l);
	sync_ledger();
	ck_assert_int_eq(ledger_seal(l, 1, &got), -ENODATA);
	ledger_file_sealed(l, 1, &seal_a);
	sync_ledger();
	assert_seal(1, &seal_a);
}
END_TEST

static TCase *case_executions(void)
{
	TCase *tc = tcase_create("executions");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, execution_comes_back_whole);
	tcase_add_test(tc, longest_id_and_command_fit);
	tcase_add_test(tc, put_replaces_and_activity_updates);
	tcase_add_test(tc, executions_come_oldest_first);
	tcase_add_test(tc, forgotten_execution_leaves_no_trace);
	tcase_add_test(tc, each_can_end_the_walk);
	tcase_add_test(tc, each_may_use_the_ledger);
	return tc;
}

static TCase *case_expiry(void)
{
	TCase *tc = tcase_create("expiry");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, expired_file_comes_back_whole);
	tcase_add_test(tc, file_expires_when_activity_plus_ttl_is_reached);
	tcase_add_test(tc, longest_overdue_comes_first_up_to_max);
	tcase_add_test(tc, files_that_never_expire_never_do);
	tcase_add_test(tc, activity_puts_expiry_off);
	tcase_add_test(tc, next_expiry_is_the_earliest_of_both_kinds);
	return tc;
}

static TCase *case_releases(void)
{
	TCase *tc = tcase_create("releases");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, release_comes_back_whole);
	tcase_add_test(tc, releases_come_newest_first_up_to_max);
	tcase_add_test(tc, release_removes_the_execution_and_its_files);
	tcase_add_test(tc, release_of_a_single_file_removes_nothing);
	tcase_add_test(tc, usage_follows_the_files);
	tcase_add_test(tc, sums_beyond_63_bits_are_cut_off);
	tcase_add_test(tc, seal_comes_back_whole_and_goes_with_the_row);
	tcase_add_test(tc, newer_seal_counts_until_all_are_forgotten);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("query");

	suite_add_tcase(s, case_executions());
	suite_add_tcase(s, case_expiry());
	suite_add_tcase(s, case_releases());
	return run_suite(s);
}
