/* SPDX-License-Identifier: MIT */
/*
 * Which files have the same content, which of them share a blob, and when that is needed no longer.
 */
#include "ledger_fixture.h"

#include "ledger/db.h"
#include "ledger/schema.h"

#define BASE "000000000000000000000000000000aa-10"

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

static void put(uint64_t ino, uint64_t execution)
{
	struct ledger_file f = fixture_file(ino, execution, 10);

	ledger_file_put(l, &f);
}

static uint64_t refs(const char *blob)
{
	uint64_t n = 99;

	sync_ledger();
	ck_assert_int_eq(ledger_blob_refs(l, blob, &n), 0);
	return n;
}

static uint64_t gone(void)
{
	struct ledger_stats stats;

	sync_ledger();
	ledger_stats(l, &stats);
	return stats.stubs_gone;
}

START_TEST(files_of_the_same_hash_and_size_are_found)
{
	struct ledger_seal a = { .xxh3 = { 1 }, .size_bytes = 10 };
	struct ledger_seal b = { .xxh3 = { 1 }, .size_bytes = 11 };
	struct ledger_twin t[4];

	for (uint64_t ino = 1; ino <= 5; ino++) {
		put(ino, ino);
		ledger_file_sealed(l, ino, ino == 3 ? &b : &a);
	}
	ledger_file_shared(l, 4, BASE);
	sync_ledger();
	ck_assert_int_eq(ledger_file_twins(l, &a, 1, 4, t), 2);
	ck_assert_uint_eq(t[0].ino, 2);
	ck_assert_uint_eq(t[0].execution, 2);
	ck_assert_uint_eq(t[0].handle_len, 4);
	ck_assert_uint_eq(t[0].handle[3], 2);
	ck_assert_str_eq(t[0].blob, "");
	ck_assert_uint_eq(t[1].ino, 5);
	ck_assert_int_eq(ledger_file_twins(l, &a, 99, 2, t), 2);
	ck_assert_int_eq(ledger_file_twins(l, &b, 3, 4, t), 0);
}
END_TEST

START_TEST(one_stub_of_each_blob_is_found)
{
	struct ledger_twin t[4];

	for (uint64_t ino = 1; ino <= 6; ino++)
		put(ino, ino);
	ledger_file_shared(l, 1, BASE);
	ledger_file_shared(l, 2, BASE);
	ledger_file_shared(l, 3, BASE "-2");
	ledger_file_shared(l, 4, BASE "0"); /* ten times the size */
	ledger_file_shared(l, 5, "000000000000000000000000000000ab-10");
	sync_ledger();
	ck_assert_int_eq(ledger_stub_twins(l, BASE, 4, t), 2);
	ck_assert_str_eq(t[0].blob, BASE);
	ck_assert_str_eq(t[1].blob, BASE "-2");
	ck_assert_uint_eq(t[1].ino, 3);
	ck_assert_int_eq(ledger_stub_twins(l, BASE, 1, t), 1);
	ck_assert_int_eq(ledger_stub_twins(l, "none", 4, t), 0);
}
END_TEST

static int note_ino(void *arg, const struct ledger_file *f)
{
	uint64_t **next = arg;

	*(*next)++ = f->ino;
	return 0;
}

/* Which files have content to give: not stubs, not small ones; those with a lifetime of their own apart. */
START_TEST(files_with_content_are_found)
{
	struct ledger_twin t[4];
	uint64_t inos[4] = { 0 };
	uint64_t *next = inos;

	for (uint64_t ino = 1; ino <= 9; ino++) {
		struct ledger_file f = fixture_file(ino, ino == 9 ? 8 : 7, ino == 2 ? 99 : 100);

		f.own_lifetime = ino >= 5 && ino <= 8;
		f.ttl_ns = ino == 5 ? LEDGER_TTL_NEVER : ino == 6 ? 50 : LEDGER_TTL_DEFAULT;
		f.activity_ns = (int64_t)(1000 - 100 * ino);
		ledger_file_put(l, &f);
	}
	ledger_file_shared(l, 3, BASE);
	ledger_file_shared(l, 8, BASE);
	sync_ledger();
	ck_assert_int_eq(ledger_filled_files_of(l, 7, 0, 100, 4, t), 3);
	ck_assert_uint_eq(t[0].ino, 1);
	ck_assert_uint_eq(t[1].ino, 4);
	ck_assert_uint_eq(t[2].ino, 5);
	ck_assert_int_eq(ledger_filled_files_of(l, 7, 1, 100, 1, t), 1);
	ck_assert_uint_eq(t[0].ino, 4);
	ck_assert_int_eq(ledger_each_filled_file(l, 100, 4, note_ino, &next), 0);
	ck_assert_ptr_eq(next, &inos[2]);
	ck_assert_uint_eq(inos[0], 7); /* longest idle */
	ck_assert_uint_eq(inos[1], 6);
}
END_TEST

START_TEST(stubs_of_a_blob_and_their_last_use)
{
	struct ledger_execution e = { .number = 7, .id = "7", .activity_ns = 70 };
	struct ledger_twin t[4];
	int64_t activity = -1;

	ledger_execution_put(l, &e);
	for (uint64_t ino = 1; ino <= 4; ino++) {
		struct ledger_file f = fixture_file(ino, 7, 10);

		f.own_lifetime = ino == 4;
		f.activity_ns = ino == 4 ? 50 : 90;
		ledger_file_put(l, &f);
		if (ino != 2)
			ledger_file_shared(l, ino, BASE);
	}
	sync_ledger();
	ck_assert_int_eq(ledger_blob_stubs(l, BASE, 0, 4, t), 3);
	ck_assert_uint_eq(t[0].ino, 1);
	ck_assert_uint_eq(t[2].ino, 4);
	ck_assert_int_eq(ledger_blob_stubs(l, BASE, 1, 1, t), 1);
	ck_assert_uint_eq(t[0].ino, 3);
	ck_assert_int_eq(ledger_blob_activity(l, BASE, &activity), 0);
	ck_assert_int_eq(activity, 70);
	ck_assert_int_eq(ledger_blob_activity(l, "none", &activity), 0);
	ck_assert_int_eq(activity, 0);
}
END_TEST

START_TEST(references_follow_the_rows)
{
	struct ledger_file f = fixture_file(1, 7, 10);
	struct ledger_twin t;

	for (uint64_t ino = 1; ino <= 4; ino++) {
		put(ino, ino);
		ledger_file_shared(l, ino, BASE);
	}
	ledger_file_shared(l, 99, BASE); /* has no row */
	ck_assert_uint_eq(refs(BASE), 4);
	ledger_file_put(l, &f); /* moved: still a stub */
	ledger_file_move(l, 2, 7);
	ck_assert_uint_eq(refs(BASE), 4);
	ck_assert_int_eq(ledger_file_find(l, 1, &t), 0);
	ck_assert_uint_eq(t.execution, 7);
	ck_assert_str_eq(t.blob, BASE);
	ledger_file_shared(l, 1, "");
	ck_assert_uint_eq(refs(BASE), 3);
	ck_assert_int_eq(ledger_file_find(l, 1, &t), 0);
	ck_assert_str_eq(t.blob, "");
	ck_assert_int_eq(ledger_file_find(l, 99, &t), -ENODATA);
	ledger_file_gone(l, 2);
	put(2, 2); /* another file of that number */
	ck_assert_uint_eq(refs(BASE), 2);
}
END_TEST

START_TEST(what_takes_references_away_is_told)
{
	struct ledger_release r = fixture_release(3, "3");
	struct ledger_release other = fixture_release(4, "4");
	uint64_t before;

	for (uint64_t ino = 1; ino <= 5; ino++) {
		put(ino, ino);
		if (ino <= 3)
			ledger_file_shared(l, ino, BASE);
	}
	before = gone();
	ledger_release(l, &other);
	ledger_file_gone(l, 5);
	ck_assert_uint_eq(gone(), before);
	ledger_file_gone(l, 1);
	ck_assert_uint_eq(gone(), before + 1);
	ledger_file_shared(l, 2, "");
	ck_assert_uint_eq(gone(), before + 2);
	ledger_release(l, &r);
	ck_assert_uint_eq(gone(), before + 3);
	ck_assert_uint_eq(refs(BASE), 0);
}
END_TEST

START_TEST(sums_of_stubs)
{
	struct ledger_stubs s;

	for (uint64_t ino = 1; ino <= 5; ino++)
		put(ino, ino <= 2 ? 1 : 2);
	for (uint64_t ino = 1; ino <= 4; ino++)
		ledger_file_shared(l, ino, BASE);
	sync_ledger();
	ck_assert_int_eq(ledger_stub_usage(l, 1, &s), 0);
	ck_assert_uint_eq(s.files, 2);
	ck_assert_uint_eq(s.bytes, 20);
	ck_assert_uint_eq(s.share_bytes, 4); /* 10 / 4 each */
	ck_assert_int_eq(ledger_stub_usage(l, 9, &s), 0);
	ck_assert_uint_eq(s.files + s.bytes + s.share_bytes, 0);
	ck_assert_int_eq(ledger_stub_usage_all(l, &s), 0);
	ck_assert_uint_eq(s.files, 4);
	ck_assert_uint_eq(s.bytes, 40);
}
END_TEST

START_TEST(a_walk_tells_stubs_anew)
{
	struct ledger_file f = fixture_file(1, 1, 10);
	struct ledger_stats stats;

	put(1, 1);
	put(2, 2);
	ledger_file_shared(l, 2, BASE); /* a row that is wrong by now */
	ledger_reconcile_begin(l);
	ledger_reconcile_seen(l, &f);
	ledger_file_shared(l, 1, BASE);
	put(3, 3);
	ledger_file_shared(l, 3, BASE); /* made meanwhile */
	sync_ledger();
	ledger_stats(l, &stats);
	ck_assert(!stats.agrees);
	ledger_reconcile_end(l);
	ck_assert_uint_eq(refs(BASE), 2);
	ledger_stats(l, &stats);
	ck_assert(stats.agrees);
}
END_TEST

START_TEST(stubs_are_remembered)
{
	put(1, 1);
	ledger_file_shared(l, 1, BASE);
	fixture_reconcile(l);
	put(2, 2);
	ledger_file_shared(l, 2, BASE);
	ledger_free(l);
	l = fixture_open(LEDGER_CLEAN);
	ck_assert_uint_eq(refs(BASE),
			  1); /* the first one's row went with the walk that did not see it */
}
END_TEST

/* As version 2 left it, with rows. */
static void make_version_2(void)
{
	struct db *db;

	ck_assert_int_eq(db_open(fixture_path, DB_WRITER, &db), 0);
	ck_assert_int_eq(db_use_wal(db), 0);
	ck_assert_int_eq(schema_migrate(db, schema_steps, 2, 0), 0);
	db_close(db);
	fixture_change("UPDATE ledger SET clean = 1, next_number = 9;"
		       "INSERT INTO execution VALUES (7, '4711', 1, 1, 1, x'', 1, 1, -1, 0);"
		       "INSERT INTO file VALUES (1, 7, 10, -1, 0, 5, 1, x'01020304',"
		       " x'01000000000000000000000000000000', 10, 3, 4);"
		       "INSERT INTO file VALUES (2, 7, 20, -1, 0, 5, 1, x'01020304',"
		       " NULL, NULL, NULL, NULL);");
}

START_TEST(version_2_is_taken_over_with_its_rows)
{
	struct ledger_seal seal;
	struct ledger_twin t;
	uint64_t files, bytes;

	ledger_free(l);
	fixture_change("PRAGMA journal_mode = DELETE");
	ck_assert_int_eq(unlink(fixture_path), 0);
	make_version_2();
	l = fixture_open(LEDGER_CLEAN);
	ck_assert_int_eq(fixture_ask("PRAGMA user_version"), 3);
	ck_assert_int_eq(ledger_usage(l, 7, &files, &bytes), 0);
	ck_assert_uint_eq(files, 2);
	ck_assert_uint_eq(bytes, 30);
	ck_assert_int_eq(ledger_seal(l, 1, &seal), 0);
	ck_assert_int_eq(seal.ctime_ns, 4);
	ck_assert_int_eq(ledger_file_twins(l, &seal, 2, 1, &t), 1);
	ck_assert_uint_eq(t.ino, 1);
	ledger_file_shared(l, 2, BASE);
	ck_assert_uint_eq(refs(BASE), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		files_of_the_same_hash_and_size_are_found,
		one_stub_of_each_blob_is_found,
		files_with_content_are_found,
		stubs_of_a_blob_and_their_last_use,
		references_follow_the_rows,
		what_takes_references_away_is_told,
		sums_of_stubs,
		a_walk_tells_stubs_anew,
		stubs_are_remembered,
		version_2_is_taken_over_with_its_rows,
	};

	return RUN_TESTS("twins", tests, setup, teardown);
}
