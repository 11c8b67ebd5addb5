/* SPDX-License-Identifier: MIT */
/*
 * Which files come to share a blob, and which do not; and that blobs go with their last stub. The front is the test itself:
 * files are ours alone, unless the test says so.
 */
#include "seal/share.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "blob_fixture.h"
#include "seal/check.h"
#include "seal/hash.h"
#include "store/mark.h"
#include "store/stub.h"

#define MIB (UINT64_C(1) << 20)
#define SIZE (2 * MIB + 77)
#define MIN MIB

static struct store store;
static struct ledger *ledger;
static struct share *share;

/* What the front says, by file. */
#define FILES 16
static struct {
	uint64_t ino;
	_Atomic bool writer, reader;
	_Atomic bool breaks; /* written to while it is claimed */
	_Atomic int busy;    /* so many times it cannot be made a stub */
	_Atomic int claims;
} files[FILES];

static int file_of(uint64_t ino)
{
	for (int i = 0; i < FILES; i++) {
		if (files[i].ino == ino)
			return i;
	}
	ck_abort_msg("file %llu is not known", (unsigned long long)ino);
	return -1;
}

static bool is_open(void *ctx, uint64_t ino, const struct handle *h)
{
	(void)ctx;
	(void)h;
	return atomic_load(&files[file_of(ino)].reader);
}

static int claim(void *ctx, uint64_t ino, const struct handle *h, struct seal_claim *ret)
{
	int i = file_of(ino);

	(void)ctx;
	(void)h;
	if (atomic_load(&files[i].writer))
		return -EBUSY;
	*ret = (struct seal_claim){ .sealed = true, .inode = &files[i] };
	atomic_fetch_add(&files[i].claims, 1);
	return 0;
}

static bool settle(void *ctx, struct seal_claim *c, bool sealed)
{
	(void)ctx;
	(void)sealed;
	for (int i = 0; i < FILES; i++) {
		if (c->inode == &files[i])
			ck_assert_int_gt(atomic_fetch_sub(&files[i].claims, 1), 0);
	}
	return true;
}

static void path_of(int i, char *name)
{
	(void)sprintf(name, "f%d", i);
}

static int open_file(int i, int flags)
{
	char name[16];

	path_of(i, name);
	return openat(store.tree_fd, name, flags | O_CLOEXEC);
}

static int make_stub(void *ctx, struct seal_claim *c, const struct blob_name *name)
{
	_cleanup_close_ int fd = -1;
	int r;

	(void)ctx;
	for (int i = 0; i < FILES; i++) {
		if (c->inode != &files[i])
			continue;
		if (atomic_load(&files[i].breaks))
			return -ECANCELED;
		if (atomic_load(&files[i].busy) > 0) {
			atomic_fetch_sub(&files[i].busy, 1);
			return -EBUSY;
		}
		fd = open_file(i, O_RDWR);
		ck_assert(blob_is_pinned(store.blobs, name));
		r = stub_make(store.blobs, fd, name);
		if (r == 0)
			ledger_file_shared(ledger, files[i].ino, name->text);
		return r;
	}
	return -ESTALE;
}

static int settle_stub(void *ctx, uint64_t ino, const struct handle *h, struct blob_name *ret_name)
{
	_cleanup_close_ int fd = store_open_handle(&store, h, O_RDWR);
	int r = stub_settle(fd, ret_name);

	(void)ctx;
	ledger_file_shared(ledger, ino, ret_name->text);
	return r;
}

/* ---- files ---- */

static struct handle handle_of_file(int i)
{
	struct handle h;
	char name[16];

	path_of(i, name);
	ck_assert_int_eq(handle_at(store.tree_fd, name, &h), 0);
	return h;
}

static void put_row(int i, uint64_t execution)
{
	struct handle h = handle_of_file(i);
	struct ledger_file row = {
		.ino = files[i].ino,
		.execution = execution,
		.size_bytes = SIZE,
		.ttl_ns = LEDGER_TTL_DEFAULT,
		.handle_type = h.type,
		.handle_len = h.len,
	};

	memcpy(row.handle, h.bytes, h.len);
	ledger_file_put(ledger, &row);
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

/* Its hash as it is, or the one that the test wants. */
static void seal_file(int i, const uint8_t *hash)
{
	_cleanup_close_ int fd = open_file(i, O_RDONLY);
	struct ledger_seal seal = { .size_bytes = (uint64_t)stat_of(fd).st_size };
	uint64_t bytes;

	ck_assert_int_eq(hash_fd(fd, always, NULL, seal.xxh3, &bytes), 0);
	if (hash)
		memcpy(seal.xxh3, hash, HASH_SIZE);
	ledger_file_sealed(ledger, files[i].ino, &seal);
}

/* A file of SIZE with this content, its row, its hash. */
static void add(int i, unsigned seed, uint64_t execution)
{
	char name[16];
	int fd;

	path_of(i, name);
	fd = make_file(store.tree_fd, name, "");
	put_bytes(fd, 0, SIZE, seed);
	files[i].ino = stat_of(fd).st_ino;
	(void)close(fd);
	put_row(i, execution);
	seal_file(i, NULL);
}

static void offer(int i)
{
	struct handle h = handle_of_file(i);

	share_offer(share, files[i].ino, &h, SIZE);
}

static bool is_stub(int i)
{
	_cleanup_close_ int fd = open_file(i, O_RDONLY);
	struct blob_name name;

	return stub_get(fd, SIZE, &name) == 0;
}

/* The content, wherever it is. */
static bool reads(int i, unsigned seed)
{
	_cleanup_close_ int fd = open_file(i, O_RDONLY);
	_cleanup_close_ int blob = -1;
	struct blob_name name;

	if (stub_get(fd, SIZE, &name) < 0)
		return has_content(fd, SIZE, seed);
	blob = blob_open(store.blobs, &name);
	return blob >= 0 && has_content(blob, SIZE, seed);
}

static struct share_counts counts(void)
{
	struct share_counts n;

	share_count(share, &n);
	return n;
}

static int truncate_blob(const struct blob_name *name)
{
	_cleanup_close_ int fd = openat(store.blobs_fd, name->text, O_WRONLY | O_CLOEXEC);

	return ftruncate(fd, 1);
}

static int n_blobs(void)
{
	return count_entries(store.blobs_fd);
}

static int next_file; /* of those that flush() makes */

/* The worker takes what is offered in order: when this one is a stub, all before it were looked at. */
static void flush(void)
{
	int next = next_file;

	add(next, 200, 99);
	add(next + 1, 200, 99);
	offer(next + 1);
	EVENTUALLY(is_stub(next + 1) && atomic_load(&files[next + 1].claims) == 0);
	next_file += 2;
}

/* ---- start and end ---- */

static void start(enum share_scope scope)
{
	static const struct seal_upcalls up = {
		.is_open = is_open, .claim = claim, .settle = settle, .make_stub = make_stub
	};
	struct share_config config = {
		.store = &store, .ledger = ledger, .scope = scope, .min_bytes = MIN
	};

	ck_assert_int_eq(share_new(&config, &share), 0);
	share_set_upcalls(share, &up);
	ck_assert_int_eq(share_start(share), 0);
}

static void open_layers(void)
{
	struct ledger_open_result result;
	struct store_error error;
	char path[128];

	ck_assert_msg(store_open(scratch.path, &store, &error) == 0, "%s", error.text);
	(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
	ck_assert_int_eq(ledger_open(path, NULL, &ledger, &result), 0);
	ledger_reconcile_begin(ledger);
	ledger_reconcile_end(ledger);
	ck_assert_int_eq(ledger_sync(ledger), 0);
}

static void setup(void)
{
	scratch_setup();
	(void)signal(SIGIO, SIG_IGN);
	memset(files, 0, sizeof(files)); /* the tests may run in one process */
	next_file = 10;
	open_layers();
}

static void teardown(void)
{
	share_free(share);
	share = NULL;
	ledger_free(ledger);
	for (int i = 0; i < FILES; i++)
		ck_assert_int_eq(atomic_load(&files[i].claims), 0);
	store_close(&store);
	scratch_teardown();
}

/* ---- tests ---- */

START_TEST(two_share_and_the_third_costs_no_copy)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	offer(0);
	add(1, 1, 2);
	offer(1);
	EVENTUALLY(is_stub(0) && is_stub(1));
	add(2, 1, 3);
	offer(2);
	EVENTUALLY(is_stub(2));
	EVENTUALLY(counts().stubs == 3);
	ck_assert_uint_eq(counts().blobs_made, 1);
	ck_assert_uint_eq(counts().saved_bytes, 2 * SIZE);
	ck_assert_int_eq(n_blobs(), 1);
	ck_assert(reads(0, 1) && reads(1, 1) && reads(2, 1));
}
END_TEST

/* One commit of the ledger does for all, but not for what becomes of the first of them. */
START_TEST(those_that_come_together_share)
{
	start(SHARE_OWNER);
	for (int i = 0; i < 8; i++)
		add(i, 1, 1);
	for (int i = 0; i < 8; i++)
		offer(i);
	EVENTUALLY(counts().stubs == 8);
	ck_assert_uint_eq(counts().blobs_made, 1);
}
END_TEST

START_TEST(other_contents_do_not)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 2, 1);
	offer(0);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
}
END_TEST

/* The same hash of different bytes, of files and of blobs. */
START_TEST(collisions_do_no_harm)
{
	static const uint8_t hash[HASH_SIZE] = { 1, 2, 3 };

	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 2, 1);
	add(2, 3, 1);
	seal_file(0, hash);
	seal_file(1, hash);
	offer(0);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));

	add(3, 3, 1);
	offer(3);
	EVENTUALLY(is_stub(2) && is_stub(3) && atomic_load(&files[3].claims) == 0);
	{ /* a blob whose name promises the content of file 1 */
		struct ledger_seal seal;
		char text[HASH_TEXT_SIZE];
		char from[BLOB_NAME_SIZE], to[BLOB_NAME_SIZE + 16];
		struct ledger_twin t;

		ck_assert_int_eq(ledger_sync(ledger), 0);
		ck_assert_int_eq(ledger_file_find(ledger, files[2].ino, &t), 0);
		strcpy(from, t.blob);
		seal_file(1, NULL);
		ck_assert_int_eq(ledger_sync(ledger), 0);
		ck_assert_int_eq(ledger_seal(ledger, files[1].ino, &seal), 0);
		hash_text(seal.xxh3, text);
		(void)snprintf(to, sizeof(to), "%s-%d", text, (int)SIZE);
		ck_assert_int_eq(renameat(store.blobs_fd, from, store.blobs_fd, to), 0);
		ledger_file_shared(ledger, files[2].ino, to);
		ledger_file_shared(ledger, files[3].ino, to);
	}
	offer(1);
	flush();
	ck_assert(!is_stub(1) && reads(1, 2));
}
END_TEST

START_TEST(owners_are_kept_apart)
{
	char name[16];

	start(SHARE_OWNER);
	for (int i = 0; i < 4; i++) {
		add(i, 1, 1);
		path_of(i, name);
		ck_assert_int_eq(fchownat(store.tree_fd, name, i < 2 ? 1000 : 1001, 0, 0), 0);
	}
	offer(0);
	EVENTUALLY(is_stub(0) && is_stub(1));
	ck_assert(!is_stub(2) && !is_stub(3));
	offer(2);
	EVENTUALLY(is_stub(2) && is_stub(3));
	ck_assert_int_eq(n_blobs(), 2); /* one each */
}
END_TEST

START_TEST(executions_are_kept_apart)
{
	start(SHARE_EXECUTION);
	add(0, 1, 1);
	add(1, 1, 2);
	add(2, 1, 1);
	offer(1);
	flush();
	ck_assert(!is_stub(1));
	offer(0);
	EVENTUALLY(is_stub(0) && is_stub(2));
	offer(1);
	flush();
	ck_assert(!is_stub(1));
}
END_TEST

START_TEST(all_share_if_wanted)
{
	start(SHARE_MOUNT);
	add(0, 1, 1);
	add(1, 1, 2);
	ck_assert_int_eq(fchownat(store.tree_fd, "f1", 1000, 0, 0), 0);
	offer(1);
	EVENTUALLY(is_stub(0) && is_stub(1));
}
END_TEST

START_TEST(small_files_and_off_share_nothing)
{
	struct handle h;

	start(SHARE_OFF);
	add(0, 1, 1);
	add(1, 1, 1);
	offer(1);
	share_free(share);
	ck_assert(!is_stub(0) && !is_stub(1));
	start(SHARE_OWNER);
	h = handle_of_file(1);
	share_offer(share, files[1].ino, &h, MIN - 1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
}
END_TEST

START_TEST(who_is_in_use_shares_later)
{
	struct handle h;

	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	atomic_store(&files[0].reader, true);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
	ck_assert_int_eq(n_blobs(), 1); /* flush()'s: none is made for nothing */
	atomic_store(&files[0].reader, false);
	h = handle_of_file(0);
	share_idle(share, files[0].ino, &h);
	EVENTUALLY(is_stub(0) && is_stub(1));
}
END_TEST

/* Somebody of ours has it open, who does not close it by way of the mount. */
START_TEST(busy_for_a_moment_is_tried_again)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	atomic_store(&files[1].busy, 1);
	offer(1);
	EVENTUALLY(is_stub(0) && is_stub(1));
	add(2, 2, 1);
	add(3, 2, 1);
	atomic_store(&files[2].busy, 1);
	offer(3);
	EVENTUALLY(is_stub(2) && is_stub(3));
}
END_TEST

START_TEST(open_beside_the_mount_counts_too)
{
	int fd;

	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	fd = open_file(1, O_RDONLY);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
	(void)close(fd);
	EVENTUALLY(is_stub(0) && is_stub(1)); /* it is tried again */
}
END_TEST

START_TEST(written_meanwhile_is_no_stub)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	atomic_store(&files[1].breaks, true);
	offer(1);
	flush();
	ck_assert(!is_stub(0)); /* nobody knows what is in a blob that was made of that */
	ck_assert(!is_stub(1));
	ck_assert(reads(0, 1) && reads(1, 1));
}
END_TEST

START_TEST(changed_since_it_was_hashed_is_no_stub)
{
	_cleanup_close_ int fd = -1;

	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	fd = open_file(1, O_RDWR);
	put_bytes(fd, SIZE - 1, 1, 9);
	fd = safe_close(fd);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
}
END_TEST

START_TEST(without_a_row_nothing_is_shared)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 1);
	ledger_file_gone(ledger, files[1].ino);
	offer(1);
	flush();
	ck_assert(!is_stub(0) && !is_stub(1));
}
END_TEST

START_TEST(blob_goes_with_its_last_stub)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 2);
	offer(1);
	EVENTUALLY(is_stub(0) && is_stub(1) && atomic_load(&files[1].claims) == 0);
	ledger_file_gone(ledger, files[0].ino);
	ck_assert_int_eq(ledger_sync(ledger), 0);
	flush(); /* a second set: collected in between or not, the blob stays */
	ck_assert(reads(1, 1));
	ledger_file_shared(ledger, files[1].ino, "");
	EVENTUALLY(n_blobs() == 1); /* flush()'s */
}
END_TEST

START_TEST(garbage_of_an_earlier_process_goes)
{
	_cleanup_close_ int fd = make_content("f", SIZE, 1);
	struct blob_source source = { .fd = fd, .bytes = SIZE, .hash = DIGITS };
	struct garbage found;
	struct blob_name name;

	ck_assert_int_eq(blob_make(store.blobs, &source, &name), 0);
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, true, NULL, &found), 0);
	ck_assert_uint_eq(found.blobs, 1);
	ck_assert_uint_eq(found.garbage_blobs, 0); /* pinned */
	blob_unpin(store.blobs, &name);
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, false, NULL, &found), 0);
	ck_assert_uint_eq(found.garbage_blobs, 1);
	ck_assert_uint_ge(found.garbage_bytes, SIZE);
	ck_assert_int_eq(n_blobs(), 1);
	start(SHARE_OFF);
	EVENTUALLY(n_blobs() == 0);
	EVENTUALLY(counts().blobs_removed == 1);
}
END_TEST

/* A filesystem that may lose that a file is no stub any more, and keep that its blob is gone. */
START_TEST(garbage_stays_until_the_disk_has_the_reason)
{
	_cleanup_close_ int fd = make_content("f", SIZE, 1);
	struct blob_source source = { .fd = fd, .bytes = SIZE, .hash = DIGITS };
	struct garbage found;
	struct blob_name name;
	char orders[sizeof(scratch.path) + 8];

	ck_assert_int_eq(blob_make(store.blobs, &source, &name), 0);
	blob_unpin(store.blobs, &name);
	blobs_set_unordered(store.blobs);
	(void)snprintf(orders, sizeof(orders), "%s/orders", scratch.path);
	add_file(scratch.fd, "orders", "blobs-order 1 1000000 5");
	(void)setenv("BATONFS_FAULT_CALLS", orders, 1);
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, false, NULL, &found), 0);
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, true, NULL, &found), -EIO);
	(void)unsetenv("BATONFS_FAULT_CALLS");
	ck_assert_uint_eq(found.removed_blobs, 0);
	ck_assert_int_eq(n_blobs(), 1);
}
END_TEST

START_TEST(nothing_is_garbage_before_the_walk_has_ended)
{
	_cleanup_close_ int fd = make_content("f", SIZE, 1);
	struct blob_source source = { .fd = fd, .bytes = SIZE, .hash = DIGITS };
	struct garbage found;
	struct blob_name name;

	ck_assert_int_eq(blob_make(store.blobs, &source, &name), 0);
	blob_unpin(store.blobs, &name);
	(void)unlinkat(scratch.fd, "ledger.db", 0);
	ledger_free(ledger);
	(void)unlinkat(scratch.fd, "ledger.db", 0);
	{
		struct ledger_open_result result;
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
		ck_assert_int_eq(ledger_open(path, NULL, &ledger, &result), 0);
		ck_assert_int_eq(result.state, LEDGER_NEW);
	}
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, true, NULL, &found), -EAGAIN);
	ck_assert_int_eq(n_blobs(), 1);
	ledger_reconcile_begin(ledger);
	ledger_reconcile_end(ledger);
	ck_assert_int_eq(ledger_sync(ledger), 0);
	ck_assert_int_eq(garbage_collect(store.blobs, ledger, true, NULL, &found), 0);
	ck_assert_int_eq(n_blobs(), 0);
}
END_TEST

/* ---- looking whether all agree ---- */

static struct {
	int n;
	enum check_kind kind;
	char path[128];
	bool repaired;
	struct task_view task; /* what was told to be under way just then */
} problem;

static struct tasks tasks;

static int on_problem(void *arg, const struct check_problem *p)
{
	(void)arg;
	ck_assert(task_look(&tasks, 0, &problem.task));
	problem.n++;
	problem.kind = p->kind;
	problem.repaired = p->repaired;
	(void)snprintf(problem.path, sizeof(problem.path), "%s", p->path);
	return 0;
}

static struct check_counts check(bool repair)
{
	const struct seal_upcalls up = { .settle_stub = settle_stub };
	struct check c = {
		.store = &store,
		.ledger = ledger,
		.up = &up,
		.repair = repair,
		.each = on_problem,
		.tasks = &tasks,
		.files = 2,
	};
	struct task_view task;
	struct check_counts n;

	problem.n = 0;
	ck_assert_int_eq(check_run(&c, &n), 0);
	ck_assert_int_eq(problem.n, (int)n.problems);
	ck_assert(!task_look(&tasks, 0, &task));
	return n;
}

/* This one problem is found; and gone after the repair, or still there. */
static void expect_problem(enum check_kind kind, const char *path, bool repairable)
{
	ck_assert_uint_eq(check(false).problems, 1);
	ck_assert_int_eq(problem.kind, kind);
	ck_assert_str_eq(problem.path, path);
	ck_assert(!problem.repaired);
	ck_assert_str_eq(problem.task.name, "check");
	ck_assert_uint_ge(problem.task.done, 1);
	ck_assert_uint_ge(problem.task.whole, 1);
	ck_assert_uint_eq(check(true).repaired, repairable);
	ck_assert_uint_eq(check(false).problems, !repairable);
}

static void set_mark(int fd, const char *text)
{
	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "blob", text, strlen(text), 0), 0);
}

/* Two stubs, and no thread that removes what the tests leave. */
static void share_two(void)
{
	start(SHARE_OWNER);
	add(0, 1, 1);
	add(1, 1, 2);
	offer(1);
	EVENTUALLY(is_stub(0) && is_stub(1) && atomic_load(&files[1].claims) == 0);
	share_free(share);
	share = NULL;
}

START_TEST(nothing_is_wrong_after_sharing)
{
	struct check_counts n;

	share_two();
	add(2, 5, 1);
	n = check(false);
	ck_assert_uint_eq(n.problems, 0);
	ck_assert_uint_eq(n.files, 3);
	ck_assert_uint_eq(n.stubs, 2);
	ck_assert_uint_eq(n.blobs, 1);
}
END_TEST

START_TEST(wrong_files_are_found_and_repaired)
{
	_cleanup_close_ int fd = -1;

	share_two();
	fd = open_file(0, O_RDWR);
	ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
	expect_problem(CHECK_NOT_PUNCHED, "f0", true);
	ck_assert_str_eq(problem.task.unit, "files");
	ledger_file_shared(ledger, files[0].ino, "");
	expect_problem(CHECK_LEDGER, "f0", true);
	add(2, 5, 1);
	ledger_file_shared(ledger, files[2].ino, DIGITS "-7");
	expect_problem(CHECK_LEDGER, "f2", true);
	fd = safe_close(fd);
	fd = open_file(2, O_RDWR);
	set_mark(fd, DIGITS "-7");
	expect_problem(CHECK_MARK_STALE, "f2", true);
	ck_assert(reads(0, 1) && reads(1, 1) && reads(2, 5));
}
END_TEST

START_TEST(what_cannot_be_repaired_is_left_alone)
{
	_cleanup_close_ int fd = -1;
	struct blob_name name;

	share_two();
	add(2, 5, 1);
	fd = open_file(2, O_RDWR);
	set_mark(fd, "nonsense");
	expect_problem(CHECK_MARK_DAMAGED, "f2", false);
	ck_assert_int_eq(fremovexattr(fd, MARK_PREFIX "blob"), 0);
	add_file(store.blobs_fd, "stray", "x");
	expect_problem(CHECK_BLOB_FOREIGN, "stray", false);
	ck_assert_int_eq(unlinkat(store.blobs_fd, "stray", 0), 0);
	fd = safe_close(fd);
	fd = open_file(0, O_RDWR);
	ck_assert_int_eq(stub_get(fd, SIZE, &name), 0);
	ck_assert_int_eq(truncate_blob(&name), 0);
	ck_assert_uint_eq(check(true).problems, 2);
	ck_assert_int_eq(problem.kind, CHECK_NO_BLOB);
	ck_assert_uint_eq(check(false).problems, 2);
}
END_TEST

START_TEST(unused_blob_is_found_and_removed)
{
	_cleanup_close_ int fd = make_content("f", SIZE, 3);
	struct blob_source source = { .fd = fd, .bytes = SIZE, .hash = DIGITS };
	struct blob_name name;

	share_two();
	ck_assert_int_eq(blob_make(store.blobs, &source, &name), 0);
	ck_assert_uint_eq(check(true).problems, 0); /* pinned */
	blob_unpin(store.blobs, &name);
	expect_problem(CHECK_BLOB_UNUSED, name.text, true);
	ck_assert_str_eq(problem.task.unit, "contents");
	ck_assert_int_eq(n_blobs(), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_share_and_the_third_costs_no_copy,
		those_that_come_together_share,
		other_contents_do_not,
		collisions_do_no_harm,
		owners_are_kept_apart,
		executions_are_kept_apart,
		all_share_if_wanted,
		small_files_and_off_share_nothing,
		who_is_in_use_shares_later,
		busy_for_a_moment_is_tried_again,
		open_beside_the_mount_counts_too,
		written_meanwhile_is_no_stub,
		changed_since_it_was_hashed_is_no_stub,
		without_a_row_nothing_is_shared,
		blob_goes_with_its_last_stub,
		garbage_of_an_earlier_process_goes,
		garbage_stays_until_the_disk_has_the_reason,
		nothing_is_garbage_before_the_walk_has_ended,
		nothing_is_wrong_after_sharing,
		wrong_files_are_found_and_repaired,
		what_cannot_be_repaired_is_left_alone,
		unused_blob_is_found_and_removed,
	};

	return RUN_TESTS("share", tests, setup, teardown);
}
