/* SPDX-License-Identifier: MIT */
/*
 * What moves to the second directory, what does not, and that nobody's content changes by it. The front is the test
 * itself: files are ours alone, unless the test says so.
 */
#include "seal/spill.h"

#include <signal.h>
#include <sys/mman.h>

#include "blob_fixture.h"
#include "store/blob_away.h"
#include "store/stub.h"

#define MIB (UINT64_C(1) << 20)
#define SIZE (MIB + 77)

static struct store store;
static struct ledger *ledger;
static int away_fd;

/* What the front says. */
static bool opened;   /* somebody has it open */
static bool writer;   /* ... who may write */
static bool breaks;   /* somebody opens it while it is made a stub */
static int asks_left; /* somebody opens it after so many questions; -1: nobody */
static int claims;
static int let_go_calls;
static int let_go_result;

static bool is_open(void *ctx, uint64_t ino, const struct handle *h)
{
	(void)ctx;
	(void)ino;
	(void)h;
	if (asks_left == 0)
		return true;
	asks_left -= asks_left > 0;
	return opened;
}

static int claim(void *ctx, uint64_t ino, const struct handle *h, struct seal_claim *ret)
{
	(void)ctx;
	(void)ino;
	(void)h;
	if (writer)
		return -EBUSY;
	*ret = (struct seal_claim){ 0 };
	claims++;
	return 0;
}

static bool settle(void *ctx, struct seal_claim *c, bool sealed)
{
	(void)ctx;
	(void)c;
	(void)sealed;
	claims--;
	return true;
}

static int open_file(int flags)
{
	return openat(store.tree_fd, "f", flags | O_CLOEXEC);
}

static int make_stub(void *ctx, struct seal_claim *c, const struct blob_name *name)
{
	_cleanup_close_ int fd = open_file(O_RDWR);
	int r;

	(void)ctx;
	(void)c;
	ck_assert(blob_is_pinned(store.blobs, name));
	if (breaks)
		return -EBUSY;
	r = stub_make(store.blobs, fd, name);
	if (r == 0)
		ledger_file_shared(ledger, stat_of(fd).st_ino, name->text);
	return r;
}

static int let_go(void *ctx, uint64_t ino, const struct handle *h)
{
	(void)ctx;
	(void)ino;
	(void)h;
	let_go_calls++;
	return let_go_result;
}

static const struct seal_upcalls up = { .is_open = is_open,
					.claim = claim,
					.settle = settle,
					.make_stub = make_stub,
					.let_go = let_go };

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static struct spill how;

/* ---- files ---- */

static struct handle handle_of_file(void)
{
	struct handle h;

	ck_assert_int_eq(handle_at(store.tree_fd, "f", &h), 0);
	return h;
}

static uint64_t ino_of_file(void)
{
	struct stat st;

	ck_assert_int_eq(fstatat(store.tree_fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void add(uint64_t bytes)
{
	struct handle h;
	struct ledger_file row = { .execution = 1, .size_bytes = bytes, .ttl_ns = -1 };
	int fd = make_file(store.tree_fd, "f", "");

	put_bytes(fd, 0, bytes, 1);
	(void)close(fd);
	h = handle_of_file();
	row.ino = ino_of_file();
	row.handle_type = h.type;
	row.handle_len = h.len;
	memcpy(row.handle, h.bytes, h.len);
	ledger_file_put(ledger, &row);
	how.idle_since_real_ns = INT64_MAX;
}

static int spill_it(struct spill_result *ret)
{
	struct handle h = handle_of_file();

	return spill_file(&how, ino_of_file(), &h, ret);
}

static bool blob_of_file(struct blob_name *ret)
{
	_cleanup_close_ int fd = open_file(O_RDONLY);

	return stub_get(fd, (uint64_t)stat_of(fd).st_size, ret) == 0;
}

/* The content, wherever it is. */
static bool reads(uint64_t bytes)
{
	_cleanup_close_ int fd = open_file(O_RDONLY);
	_cleanup_close_ int blob = -1;
	struct blob_name name;

	if (!blob_of_file(&name))
		return has_content(fd, bytes, 1);
	blob = blob_open(store.blobs, &name);
	return blob >= 0 && has_content(blob, bytes, 1);
}

/* It is as it was, and there is no more than that. */
static void expect_untouched(uint64_t bytes)
{
	struct blob_name name;

	ck_assert(!blob_of_file(&name));
	ck_assert(reads(bytes));
	ck_assert_int_eq(count_entries(away_fd), 0);
	ck_assert_int_eq(claims, 0);
}

/* ---- start and end ---- */

static void setup(void)
{
	struct ledger_open_result result;
	struct store_error error;
	char path[128];

	scratch_setup();
	(void)signal(SIGIO, SIG_IGN);
	away_fd = make_dir(scratch.fd, "away");
	(void)snprintf(path, sizeof(path), "%s/store", scratch.path);
	(void)close(make_dir(scratch.fd, "store"));
	ck_assert_msg(store_open(path, &store, &error) == 0, "%s", error.text);
	blobs_set_away(store.blobs, away_fd);
	(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
	ck_assert_int_eq(ledger_open(path, NULL, &ledger, &result), 0);
	opened = writer = breaks = false;
	asks_left = -1;
	claims = let_go_calls = let_go_result = 0;
	how = (struct spill){ .store = &store, .ledger = ledger, .up = &up, .may = always };
}

static void teardown(void)
{
	ledger_free(ledger);
	store_close(&store);
	away_fd = safe_close(away_fd);
	scratch_teardown();
}

/* ---- files ---- */

START_TEST(content_moves_and_reads_the_same)
{
	struct spill_result r;
	struct blob_name name;
	struct stat before, after;
	struct ledger_twin row;

	add(SIZE);
	ck_assert_int_eq(fstatat(store.tree_fd, "f", &before, 0), 0);
	ck_assert_int_eq(spill_it(&r), 0);
	ck_assert_uint_eq(r.bytes, (uint64_t)before.st_blocks * 512);
	ck_assert(!r.refused && !r.young);
	ck_assert(blob_of_file(&name) && blob_is_away(store.blobs, &name));
	ck_assert(!blob_is_pinned(store.blobs, &name));
	ck_assert(reads(SIZE));
	ck_assert_int_eq(fstatat(store.tree_fd, "f", &after, 0), 0);
	ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	ck_assert_int_eq(after.st_size, before.st_size);
	ck_assert_int_lt(after.st_blocks * 512, (int)STUB_MIN);
	ck_assert_int_eq(ledger_sync(ledger), 0);
	ck_assert_int_eq(ledger_file_find(ledger, after.st_ino, &row), 0);
	ck_assert_str_eq(row.blob, name.text);
	ck_assert_int_eq(claims, 0);
	ck_assert_int_eq(spill_it(&r), -ENODATA); /* it is there */
	ck_assert_int_eq(count_entries(away_fd), 1);
}
END_TEST

/* Whoever writes has it home. */
START_TEST(it_comes_home)
{
	_cleanup_close_ int fd = -1;
	struct spill_result r;
	struct blob_name name;

	add(SIZE);
	ck_assert_int_eq(spill_it(&r), 0);
	ck_assert(blob_of_file(&name));
	fd = open_file(O_RDWR);
	ck_assert_int_eq(stub_home(store.blobs, fd, &name), 0);
	ck_assert(has_content(fd, SIZE, 1));
}
END_TEST

START_TEST(what_gives_nothing_stays)
{
	struct spill_result r;

	add(STUB_MIN - 1);
	ck_assert_int_eq(spill_it(&r), -ENODATA);
	expect_untouched(STUB_MIN - 1);
	ck_assert_int_eq(unlinkat(store.tree_fd, "f", 0), 0);
	add(SIZE);
	ck_assert_int_eq(linkat(store.tree_fd, "f", store.tree_fd, "g", 0), 0);
	ck_assert_int_eq(spill_it(&r), -ENODATA);
	expect_untouched(SIZE);
}
END_TEST

START_TEST(what_is_in_use_stays)
{
	struct spill_result r;
	int fd;
	void *map;

	add(SIZE);
	writer = true;
	ck_assert_int_eq(spill_it(&r), -EBUSY);
	writer = false;
	opened = true;
	ck_assert_int_eq(spill_it(&r), -EBUSY);
	opened = false;
	fd = open_file(O_RDONLY);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	(void)close(fd);
	ck_assert_int_eq(spill_it(&r), -EBUSY);
	(void)munmap(map, 4096);
	breaks = true;
	ck_assert_int_eq(spill_it(&r), -EBUSY);
	ck_assert(!r.young && !r.refused && r.bytes == 0);
	expect_untouched(SIZE);
}
END_TEST

START_TEST(what_was_just_written_stays_for_a_moment)
{
	struct spill_result r;
	struct stat st;

	add(SIZE);
	ck_assert_int_eq(fstatat(store.tree_fd, "f", &st, 0), 0);
	how.idle_since_real_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec - 1;
	ck_assert_int_eq(spill_it(&r), -EBUSY);
	ck_assert(r.young);
	expect_untouched(SIZE);
	how.idle_since_real_ns = st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec;
	ck_assert_int_eq(spill_it(&r), 0);
}
END_TEST

/* As copied from a machine whose clock is ahead. */
START_TEST(what_says_that_it_was_written_tomorrow_moves)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct spill_result r;
	struct stat st;

	add(SIZE);
	times[1].tv_sec = (time_t)(clock_real_ns() / NS_PER_S) + 86400;
	ck_assert_int_eq(utimensat(store.tree_fd, "f", times, 0), 0);
	ck_assert_int_eq(fstatat(store.tree_fd, "f", &st, 0), 0);
	how.idle_since_real_ns = st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec;
	ck_assert_int_eq(spill_it(&r), 0);
}
END_TEST

/* However far it has come: whoever opens it does not wait, and it stays. */
START_TEST(who_opens_it_meanwhile_stops_it)
{
	struct spill_result r;
	int n = 0;

	add(SIZE);
	for (;; n++) {
		int err;

		asks_left = n;
		err = spill_it(&r);
		if (err == 0)
			break;
		ck_assert_int_eq(err, n == 0 ? -EBUSY : -ECANCELED);
		ck_assert(!r.refused);
		expect_untouched(SIZE);
	}
	ck_assert_int_gt(n, 2);
	ck_assert(reads(SIZE));
}
END_TEST

START_TEST(it_is_given_up_at_the_end)
{
	struct spill_result r;

	add(SIZE);
	how.may = never;
	ck_assert_int_eq(spill_it(&r), -ECANCELED);
	expect_untouched(SIZE);
}
END_TEST

/* ---- blobs ---- */

/* A blob that is here, and its stub. */
static struct blob_name add_stub(void)
{
	_cleanup_close_ int fd = -1;
	struct blob_name name;

	add(SIZE);
	fd = open_file(O_RDWR);
	{
		struct blob_source source = { .fd = fd, .bytes = SIZE, .hash = DIGITS };

		ck_assert_int_eq(blob_make(store.blobs, &source, &name), 0);
	}
	ck_assert_int_eq(stub_make(store.blobs, fd, &name), 0);
	ledger_file_shared(ledger, ino_of_file(), name.text);
	ck_assert_int_eq(ledger_sync(ledger), 0);
	blob_unpin(store.blobs, &name);
	return name;
}

START_TEST(a_blob_moves_with_all_its_stubs)
{
	struct blob_name name = add_stub();
	struct blob_name now;
	struct spill_result r;

	ck_assert_int_eq(spill_blob(&how, &name, &r), 0);
	ck_assert_uint_ge(r.bytes, SIZE);
	ck_assert_int_eq(let_go_calls, 1);
	ck_assert(blob_is_away(store.blobs, &name));
	ck_assert(blob_of_file(&now) && blob_name_equal(&now, &name));
	ck_assert(reads(SIZE));
	ck_assert_int_eq(spill_blob(&how, &name, &r), -ENODATA);
}
END_TEST

START_TEST(a_blob_in_use_stays)
{
	struct blob_name name = add_stub();
	int fd = blob_open(store.blobs, &name);
	struct spill_result r;

	ck_assert_int_eq(spill_blob(&how, &name, &r), -EBUSY);
	(void)close(fd);
	ck_assert_int_eq(blob_pin(store.blobs, &name), 0);
	ck_assert_int_eq(spill_blob(&how, &name, &r), -EBUSY);
	blob_unpin(store.blobs, &name);
	let_go_result = -EBUSY;
	ck_assert_int_eq(spill_blob(&how, &name, &r), -EBUSY);
	ck_assert(!blob_is_away(store.blobs, &name));
	ck_assert(!r.refused && r.bytes == 0);
	ck_assert(reads(SIZE));
	let_go_result = 0;
	ck_assert_int_eq(spill_blob(&how, &name, &r), 0);
	ck_assert(reads(SIZE));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		content_moves_and_reads_the_same,
		it_comes_home,
		what_gives_nothing_stays,
		what_is_in_use_stays,
		what_was_just_written_stays_for_a_moment,
		what_says_that_it_was_written_tomorrow_moves,
		who_opens_it_meanwhile_stops_it,
		it_is_given_up_at_the_end,
		a_blob_moves_with_all_its_stubs,
		a_blob_in_use_stays,
	};

	return RUN_TESTS("spill", tests, setup, teardown);
}
