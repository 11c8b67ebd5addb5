/* SPDX-License-Identifier: MIT */
/*
 * Hashes of closed files: when they are made, and how long they count. The front is the test itself.
 */
#include "seal/sealer.h"

#include <signal.h>
#include <stdatomic.h>
#include <xxhash.h>

#include "scratch.h"
#include "seal/hash.h"
#include "store/mark.h"

static struct store store;
static struct ledger *ledger;
static struct sealer *sealer;
static struct handle file;
static uint64_t ino;

/* What the front says. */
static _Atomic int claim_error;
static _Atomic int refused; /* claims, for that reason */
static _Atomic bool sealed;
static _Atomic int broken; /* so many claims are broken before they are settled */
static _Atomic int claims; /* not settled */
static _Atomic int claimed;

static _Atomic int answers;
static int answer;
static char answer_text[HASH_TEXT_SIZE];

static bool is_closed(void *ctx, uint64_t n, const struct handle *h)
{
	ck_assert_ptr_eq(ctx, &store);
	ck_assert_uint_eq(n, ino);
	ck_assert(handle_equal(h, &file));
	return true;
}

static int claim(void *ctx, uint64_t n, const struct handle *h, struct seal_claim *ret)
{
	(void)is_closed(ctx, n, h);
	if (atomic_load(&claim_error)) {
		atomic_fetch_add(&refused, 1);
		return atomic_load(&claim_error);
	}
	atomic_fetch_add(&claims, 1);
	atomic_fetch_add(&claimed, 1);
	*ret = (struct seal_claim){ .sealed = atomic_load(&sealed) };
	return 0;
}

static bool settle(void *ctx, struct seal_claim *c, bool yes)
{
	(void)ctx;
	(void)c;
	atomic_fetch_sub(&claims, 1);
	if (!yes || atomic_fetch_sub(&broken, 1) > 0)
		return false;
	atomic_store(&sealed, true);
	return true;
}

static void start(bool after_close)
{
	const struct seal_upcalls up = {
		.ctx = &store, .is_closed = is_closed, .claim = claim, .settle = settle
	};
	struct sealer_config config = { .store = &store, .after_close = after_close };
	struct ledger_open_result result;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
	ck_assert_int_eq(ledger_open(path, NULL, &ledger, &result), 0);
	ledger_reconcile_begin(ledger);
	config.ledger = ledger;
	config.clean = result.state == LEDGER_CLEAN;
	atomic_store(&claim_error, 0);
	atomic_store(&sealed, false);
	atomic_store(&broken, 0);
	ck_assert_int_eq(sealer_new(&config, &sealer), 0);
	sealer_set_upcalls(sealer, &up);
	ck_assert_int_eq(sealer_start(sealer), 0);
}

static void stop(bool clean)
{
	sealer_free(sealer);
	if (clean)
		ledger_reconcile_end(ledger);
	ledger_free(ledger);
	ck_assert_int_eq(atomic_load(&claims), 0);
}

static void put_row(void)
{
	struct ledger_file row = { .ino = ino, .execution = 1, .ttl_ns = LEDGER_TTL_DEFAULT };

	ledger_file_put(ledger, &row);
}

static void write_file(const char *text, size_t times)
{
	int fd = openat(scratch.fd, "f", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (size_t i = 0; i < times; i++)
		ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void resize_file(off_t size)
{
	int fd = openat(scratch.fd, "f", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, size), 0);
	(void)close(fd);
}

static void setup(void)
{
	scratch_setup();
	(void)signal(SIGIO, SIG_IGN);
	write_file("hello", 100000);
	ck_assert_int_eq(handle_at(scratch.fd, "f", &file), 0);
	ino = ino_of(scratch.fd, "f");
	store = (struct store){ .fd = scratch.fd, .filesystem = "ext4" };
}

static void done(void *arg, int err, const uint8_t *hash)
{
	ck_assert_ptr_eq(arg, &answers);
	answer = err;
	answer_text[0] = '\0';
	if (err == 0)
		hash_text(hash, answer_text);
	atomic_fetch_add(&answers, 1);
}

static const struct sealer_asker asker = { .done = done, .arg = &answers };

static bool is_set(void *arg)
{
	return atomic_load((_Atomic bool *)arg);
}

static void done_with(void *arg, int err, const uint8_t *hash)
{
	(void)arg;
	done(&answers, err, hash);
}

static int ask(void)
{
	int before = atomic_load(&answers);
	int r = sealer_ask(sealer, ino, &file, &asker);

	if (r < 0)
		return r;
	EVENTUALLY(atomic_load(&answers) == before + 1);
	return answer;
}

static void expect_hash(void)
{
	static char bytes[1 << 20];
	char want[HASH_TEXT_SIZE];
	XXH128_canonical_t c;
	int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes));

	ck_assert_int_gt(n, 0);
	(void)close(fd);
	XXH128_canonicalFromHash(&c, XXH3_128bits(bytes, (size_t)n));
	hash_text(c.digest, want);
	ck_assert_int_eq(ask(), 0);
	ck_assert_str_eq(answer_text, want);
}

static uint64_t hashed(void)
{
	struct sealer_counts n;

	sealer_count(sealer, &n);
	return n.files;
}

/* Old enough that another change would have another time. */
static void let_settle(void)
{
	(void)poll(NULL, 0, 40);
}

START_TEST(who_asks_waits_for_the_hash)
{
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	expect_hash(); /* known by now */
	ck_assert_uint_eq(hashed(), 1);
	atomic_store(&sealed, false);
	write_file("world", 1000);
	expect_hash();
	ck_assert_uint_eq(hashed(), 2);
	stop(false);
}
END_TEST

START_TEST(no_hash_while_somebody_can_write)
{
	start(false);
	atomic_store(&claim_error, -EBUSY);
	ck_assert_int_eq(ask(), -EBUSY);
	atomic_store(&claim_error, -ESTALE);
	ck_assert_int_eq(ask(), -ESTALE);
	stop(false);
}
END_TEST

START_TEST(written_meanwhile_is_hashed_again)
{
	start(false);
	atomic_store(&broken, 3);
	expect_hash();
	ck_assert_uint_eq(hashed(), 4);
	atomic_store(&sealed, false);
	atomic_store(&broken, 1000);
	ck_assert_int_eq(ask(), -EBUSY);
	stop(false);
}
END_TEST

START_TEST(closed_file_is_hashed_and_in_the_ledger)
{
	struct ledger_seal seal;

	start(true);
	put_row();
	sealer_closed(sealer, ino, &file, SEALER_MIN - 1);
	sealer_closed(sealer, ino, &file, SEALER_MIN);
	EVENTUALLY(atomic_load(&sealed));
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	ck_assert_int_eq(ledger_sync(ledger), 0);
	ck_assert_int_eq(ledger_seal(ledger, ino, &seal), 0);
	ck_assert_uint_eq(seal.size_bytes, 500000);
	stop(false);
}
END_TEST

/* A busy machine: the kernel lets go of the writer's file long after it told of the close. */
START_TEST(closed_file_that_is_busy_is_tried_again)
{
	start(true);
	atomic_store(&claim_error, -EBUSY);
	put_row();
	sealer_closed(sealer, ino, &file, SEALER_MIN);
	EVENTUALLY(atomic_load(&refused) > 0);
	atomic_store(&claim_error, 0);
	EVENTUALLY(hashed() == 1);
	stop(false);
}
END_TEST

START_TEST(known_after_a_clean_restart)
{
	start(false);
	put_row();
	let_settle();
	expect_hash();
	stop(true);
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 0);
	stop(true);
}
END_TEST

START_TEST(not_known_after_another_boot)
{
	int64_t boot;

	start(false);
	put_row();
	let_settle();
	expect_hash();
	stop(true);
	ck_assert_int_eq(mark_get(scratch.fd, MARK_BOOT, &boot), 0);
	ck_assert_int_eq(mark_set(scratch.fd, MARK_BOOT, boot ^ 1), 0);
	start(false);
	put_row();
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	stop(true);
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 0);
	stop(true);
}
END_TEST

START_TEST(not_known_if_its_times_are_others)
{
	start(false);
	put_row();
	let_settle();
	expect_hash();
	stop(true);		     /* in order, so the row would count */
	write_file("HELLO", 100000); /* of the same size */
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	stop(true);
}
END_TEST

START_TEST(fresh_times_prove_nothing)
{
	struct ledger_seal seal;

	start(false);
	put_row();
	for (int i = 0;; i++) { /* a busy machine may take longer than that */
		ck_assert_int_lt(i, 100);
		write_file("hello", 100000);
		atomic_store(&sealed, false);
		expect_hash();
		ck_assert_int_eq(ledger_sync(ledger), 0);
		ck_assert_int_eq(ledger_seal(ledger, ino, &seal), 0);
		if (seal.ctime_ns == -1)
			break;
	}
	stop(true);
}
END_TEST

START_TEST(not_known_after_a_crash)
{
	start(false);
	put_row();
	let_settle();
	expect_hash();
	stop(false);
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	stop(false);
}
END_TEST

START_TEST(not_known_where_mappings_do_not_change_times)
{
	store.filesystem = "tmpfs";
	start(false);
	put_row();
	let_settle();
	expect_hash();
	stop(true);
	start(false);
	expect_hash();
	ck_assert_uint_eq(hashed(), 1);
	stop(true);
}
END_TEST

START_TEST(who_gives_up_is_told_at_once)
{
	_Atomic bool first = true;
	_Atomic bool second = true;
	const struct sealer_asker askers[] = {
		{ .done = done_with, .wanted = is_set, .arg = &first },
		{ .done = done_with, .wanted = is_set, .arg = &second },
	};
	int before = atomic_load(&answers);
	int fd = openat(scratch.fd, "f", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, INT64_C(60) << 30), 0); /* takes seconds */
	(void)close(fd);
	start(false);
	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		ck_assert_int_eq(sealer_ask(sealer, ino, &file, &askers[i]), 0);
	atomic_store(&second, false);
	EVENTUALLY(atomic_load(&answers) == before + 1);
	ck_assert_int_eq(answer, -EINTR);
	atomic_store(&first, false);
	EVENTUALLY(atomic_load(&answers) == before + 2);
	ck_assert_int_eq(answer, -EINTR);
	ck_assert_uint_eq(hashed(), 0);
	stop(false);
}
END_TEST

/* Else one file of some EiB would keep the thread from all others, for ever. */
START_TEST(what_is_little_but_holes_is_not_hashed)
{
	int before;

	start(true);
	resize_file(INT64_C(1) << 43);
	ck_assert_int_eq(ask(), -EFBIG);
	resize_file(INT64_C(1) << 32); /* worth it only if somebody asks */
	before = atomic_load(&claimed);
	sealer_closed(sealer, ino, &file, UINT64_C(1) << 32);
	EVENTUALLY(atomic_load(&claimed) > before && atomic_load(&claims) == 0);
	ck_assert_uint_eq(hashed(), 0);
	resize_file(INT64_C(8) << 20);
	ck_assert_int_eq(ask(), 0);
	stop(false);
}
END_TEST

START_TEST(end_tells_who_waits)
{
	int before = atomic_load(&answers);

	start(false);
	atomic_store(&claim_error, -EBUSY);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(sealer_ask(sealer, ino, &file, &asker), 0);
	sealer_end(sealer);
	ck_assert_int_eq(atomic_load(&answers), before + 10);
	ck_assert_int_eq(ask(), -ECANCELED);
	sealer_closed(sealer, ino, &file, SEALER_MIN);
	stop(false);
	sealer_free(NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		who_asks_waits_for_the_hash,
		no_hash_while_somebody_can_write,
		written_meanwhile_is_hashed_again,
		closed_file_is_hashed_and_in_the_ledger,
		known_after_a_clean_restart,
		not_known_after_another_boot,
		not_known_if_its_times_are_others,
		fresh_times_prove_nothing,
		not_known_after_a_crash,
		not_known_where_mappings_do_not_change_times,
		who_gives_up_is_told_at_once,
		what_is_little_but_holes_is_not_hashed,
		end_tells_who_waits,
		closed_file_that_is_busy_is_tried_again,
	};

	return RUN_TESTS("sealer", tests, setup, scratch_teardown);
}
