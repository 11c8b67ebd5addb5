/* SPDX-License-Identifier: MIT */
/*
 * Files become stubs and their own again under the front: when they may, what the inode remembers, what others see.
 */
#include "fuse/content.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "blob_fixture.h"
#include "fuse/home.h"
#include "fuse/node.h"
#include "store/mark.h"
#include "store/stub.h"

#define SIZE (UINT64_C(300) * 1000)
#define MTIME 2000

static struct store store;
static struct ledger *ledger;
static struct execution exec;
static struct fs fs;
static struct inode *inode;
static struct seal_claim claim;
static struct blob_name name;

static struct keep *keep;

static void on_evict(void *ctx, struct inode *gone)
{
	(void)ctx;
	content_evict(&fs, gone);
	(void)safe_close(gone->fd);
}

static struct inode *know(const char *file)
{
	struct inode key = { .mode = S_IFREG, .ino = ino_of(scratch.fd, file) };
	struct inode *ret;
	bool is_new;

	ck_assert_int_eq(handle_at(scratch.fd, file, &key.handle), 0);
	ck_assert_int_eq(itable_lookup(fs.itable, &key, &ret, &is_new), 0);
	return ret;
}

/* A file and a blob of it, which the file is no stub of yet. */
static void setup(void)
{
	struct handle root = { .type = 1, .len = 1 };
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = MTIME } };
	struct ledger_open_result result;
	char path[96];
	int fd;

	(void)signal(SIGIO, SIG_IGN);
	blobs_setup();
	fd = make_content("f", SIZE, 1);
	name = blob_of(fd, DIGITS);
	ck_assert_int_eq(futimens(fd, times), 0);
	(void)close(fd);
	store = (struct store){ .fd = scratch.fd, .blobs_fd = fix.blobs_fd, .blobs = fix.blobs };
	(void)snprintf(path, sizeof(path), "%s/ledger.db", scratch.path);
	ck_assert_int_eq(ledger_open(path, NULL, &ledger, &result), 0);
	fs = (struct fs){ .store = &store, .ledger = ledger, .fds_many = INT_MAX };
	lock_init(&fs.claims_lock, LOCK_CLAIMS);
	lock_init(&fs.moves_lock, LOCK_MOVES);
	lock_cond_init(&fs.moved);
	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, NULL, &fs.itable), 0);
	inode = know("f");
	inode->exec = &exec;
	inode->size_accounted = SIZE;
}

static void teardown(void)
{
	ck_assert_ptr_null(fs.claims);
	ck_assert_ptr_null(fs.moves);
	ck_assert_uint_eq(atomic_load(&fs.moving), 0);
	itable_free(fs.itable);
	keep_free(keep);
	ledger_free(ledger);
	lock_done(&fs.claims_lock);
	lock_done(&fs.moves_lock);
	(void)pthread_cond_destroy(&fs.moved);
	blobs_teardown();
}

/* What the ledger says it is a stub of. */
static const char *shared_with(void)
{
	static struct ledger_twin row;

	ck_assert_int_eq(ledger_sync(ledger), 0);
	return ledger_file_find(ledger, inode->ino, &row) == 0 ? row.blob : "";
}

static bool has(uint32_t flag)
{
	return atomic_load(&inode->flags) & flag;
}

static bool has_mark(void)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);

	return fgetxattr(fd, MARK_PREFIX "blob", NULL, 0) > 0;
}

/* What is in the file itself. */
static bool holds(unsigned seed)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);

	return has_content(fd, SIZE, seed);
}

static int make_stub(void)
{
	int r;

	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &claim), 0);
	r = fs_make_stub(&fs, &claim, &name);
	ck_assert(fs_settle(&fs, &claim, true));
	return r;
}

static int own(bool wanted)
{
	int r = node_write_begin(&fs, inode, wanted);

	if (r == 0)
		(void)node_write_end(&fs, inode);
	return r;
}

START_TEST(claimed_and_written_again)
{
	struct ledger_file row = { .ino = inode->ino, .size_bytes = SIZE };

	ledger_file_put(ledger, &row);
	ck_assert_int_eq(make_stub(), 0);
	ck_assert_str_eq(shared_with(), name.text);
	ck_assert(has(INODE_STUB) && has(INODE_SEALED));
	ck_assert(has_mark() && !holds(1));
	ck_assert_int_eq(make_stub(), -EEXIST);
	ck_assert_int_eq(own(true), 0);
	ck_assert(!has(INODE_STUB) && !has(INODE_SPLIT) && !has(INODE_SEALED));
	ck_assert_str_eq(shared_with(), "");
	ck_assert(!has_mark() && holds(1));
	ck_assert_int_eq(make_stub(), 0);
}
END_TEST

START_TEST(cut_instead_of_brought_home)
{
	struct stat st;

	ck_assert_int_eq(make_stub(), 0);
	ck_assert_int_eq(own(false), 0);
	ck_assert(!has(INODE_STUB) && !has_mark());
	ck_assert_int_eq(fstatat(scratch.fd, "f", &st, 0), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(own(false), 0); /* an ordinary file is not touched */
}
END_TEST

START_TEST(not_while_somebody_has_it)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(make_stub(), -EBUSY);
	fd = safe_close(fd);
	ck_assert_int_eq(make_stub(), -EBUSY); /* mapped */
	ck_assert_int_eq(munmap(map, SIZE), 0);
	inode->nopen++;
	ck_assert_int_eq(make_stub(), -EBUSY); /* open, and the kernel has not come to it yet */
	inode->nopen--;
	ck_assert(!has_mark());
	ck_assert_int_eq(make_stub(), 0);
}
END_TEST

START_TEST(not_if_written_since_it_was_claimed)
{
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &claim), 0);
	ck_assert_int_eq(own(true), 0);
	ck_assert_int_eq(fs_make_stub(&fs, &claim, &name), -ECANCELED);
	ck_assert(!fs_settle(&fs, &claim, true));
	ck_assert(!has_mark() && holds(1));
}
END_TEST

/* A release could take the row with one name, and leave the other. */
/* Another one reads it: he would find holes. */
START_TEST(not_while_its_hash_is_learned)
{
	struct seal_claim other;
	struct move move;

	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &other), 0);
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &claim), 0);
	ck_assert_int_eq(fs_make_stub(&fs, &claim, &name), -EBUSY);
	ck_assert(!has_mark() && holds(1));
	ck_assert(fs_settle(&fs, &other, true));
	ck_assert_int_eq(fs_make_stub(&fs, &claim, &name), 0);
	(void)fs_settle(&fs, &claim, false);

	ck_assert_int_eq(own(true), 0); /* nobody begins to while it is moved */
	ck_assert(move_begin(&fs, &move, inode->ino));
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &other), -EBUSY);
	move_end(&fs, &move);
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &other), 0);
	ck_assert(fs_settle(&fs, &other, true));
}
END_TEST

START_TEST(not_with_two_names)
{
	ck_assert_int_eq(linkat(scratch.fd, "f", scratch.fd, "g", 0), 0);
	ck_assert_int_eq(make_stub(), -EMLINK);
	ck_assert(!has_mark() && holds(1));
	ck_assert_int_eq(unlinkat(scratch.fd, "g", 0), 0);
	ck_assert_int_eq(make_stub(), 0);
}
END_TEST

START_TEST(not_without_a_name)
{
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &claim), 0);
	itable_orphan(fs.itable, inode);
	ck_assert_int_eq(fs_make_stub(&fs, &claim, &name), -ESTALE);
	(void)fs_settle(&fs, &claim, false);
	itable_adopt(fs.itable, inode);
}
END_TEST

/* The kernel cannot exchange the file under those who have it open. */
START_TEST(split_while_readers_have_the_blob)
{
	ck_assert_int_eq(make_stub(), 0);
	inode->nopen++;
	ck_assert_int_eq(own(true), -ESTALE);
	ck_assert(!has(INODE_STUB) && has(INODE_SPLIT) && !has(INODE_SEALED));
	ck_assert(holds(1));
	ck_assert_int_eq(own(true), -ESTALE);
	inode->nopen--;
	ck_assert_int_eq(own(true), 0); /* alone again */
	ck_assert(!has(INODE_SPLIT) && !has(INODE_ORPHAN));
	ck_assert_int_eq(make_stub(), 0);
}
END_TEST

START_TEST(does_not_join_beside_another)
{
	struct inode *other;
	int64_t bytes;

	ck_assert_int_eq(make_stub(), 0);
	inode->nopen++;
	bytes = size_sum_get(&inode->exec->bytes);
	ck_assert_int_eq(own(false), -ESTALE);
	ck_assert_int_eq(size_sum_get(&inode->exec->bytes), bytes - SIZE);
	inode->nopen--;
	other = know("f");
	ck_assert_ptr_ne(other, inode);
	ck_assert_int_eq(own(true), -ESTALE);
	itable_take_back(fs.itable, itable_nodeid(fs.itable, other));
	ck_assert_int_eq(own(true), 0);
}
END_TEST

/* What was claimed before is not what is written next, by the other one. */
START_TEST(split_breaks_claims)
{
	ck_assert_int_eq(make_stub(), 0);
	inode->nopen++;
	ck_assert_int_eq(fs_claim(&fs, inode->ino, &inode->handle, &claim), 0);
	ck_assert_int_eq(own(true), -ESTALE);
	ck_assert(!fs_settle(&fs, &claim, true));
	inode->nopen--;
}
END_TEST

START_TEST(not_split_without_a_name)
{
	int fd = openat(scratch.fd, "f", O_PATH | O_CLOEXEC);
	struct stat st = stat_of(fd);

	ck_assert_int_eq(make_stub(), 0);
	ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	node_orphan(&fs, inode, &fd, &st);
	inode->nopen++;
	ck_assert_int_eq(own(true), -ETXTBSY);
	ck_assert(has(INODE_STUB) && !has(INODE_SPLIT));
	inode->nopen--;
	ck_assert_int_eq(own(true), 0);
}
END_TEST

/* Those the daemon serves are given whatever is right. */
START_TEST(not_split_if_the_daemon_serves_them)
{
	ck_assert_int_eq(make_stub(), 0);
	inode->nopen++;
	atomic_fetch_or(&inode->flags, INODE_CACHED);
	ck_assert_int_eq(own(true), 0);
	ck_assert(!has(INODE_STUB) && !has(INODE_SPLIT));
	inode->nopen--;
}
END_TEST

START_TEST(without_its_blob_it_stays_as_it_is)
{
	ck_assert_int_eq(make_stub(), 0);
	ck_assert_int_eq(unlinkat(fix.blobs_fd, name.text, 0), 0);
	ck_assert_int_eq(own(true), -EIO);
	ck_assert(has(INODE_STUB) && has_mark());
	ck_assert_int_eq(own(false), 0);
	ck_assert(!has_mark());
}
END_TEST

static void forget_and_know_again(void)
{
	itable_take_back(fs.itable, itable_nodeid(fs.itable, inode));
	inode = know("f");
	inode->exec = &exec;
}

START_TEST(known_again_by_its_mark)
{
	ck_assert_int_eq(make_stub(), 0);
	forget_and_know_again();
	ck_assert(!has(INODE_STUB));
	ck_assert_int_eq(own(true), 0);
	ck_assert(has(INODE_LEARNED) && !has_mark() && holds(1));
}
END_TEST

/* Killed when it had come home, before anybody took notice of that; and who wanted to write has gone, too. */
START_TEST(taken_for_a_stub_by_a_dead_process)
{
	atomic_fetch_or(&inode->flags, INODE_STUB | INODE_DRAFT);
	atomic_store(&fs.unsettled, true);
	ck_assert_int_eq(content_is_stub(&fs, inode), 0);
	ck_assert(has(INODE_LEARNED) && !has(INODE_STUB | INODE_DRAFT));
}
END_TEST

static void mark_only(const char *text)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "blob", text, strlen(text), 0), 0);
}

/* Killed between the mark and the punch: what is in the file itself does not count. */
START_TEST(not_punched_yet)
{
	struct blob_name settled;
	int fd = openat(scratch.fd, "f", O_RDWR | O_CLOEXEC);

	mark_only(name.text);
	put_bytes(fd, 0, SIZE, 2);
	(void)close(fd);
	atomic_store(&fs.unsettled, true);
	ck_assert_int_eq(home_own(&fs, inode), 0);
	ck_assert(!has_mark() && holds(1));

	mark_only(name.text);
	ck_assert_int_eq(fs_settle_stub(&fs, inode->ino, &inode->handle, &settled), 1);
	ck_assert_str_eq(settled.text, name.text);
	ck_assert(!holds(1));
	fs_settled(&fs);
	forget_and_know_again();
	ck_assert_int_eq(home_own(&fs, inode), 0);
	ck_assert(holds(1));
}
END_TEST

/* Killed between the cut and the end of the mark, which must not come to mean something again. */
START_TEST(cut_but_still_marked)
{
	mark_only(name.text);
	{
		_cleanup_close_ int fd = openat(scratch.fd, "f", O_WRONLY | O_TRUNC | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
	}
	atomic_store(&fs.unsettled, true);
	ck_assert_int_eq(own(true), 0);
	ck_assert(!has_mark() && !has(INODE_STUB));
}
END_TEST

START_TEST(pinned_as_long_as_it_is_known)
{
	int fd = openat(scratch.fd, "f", O_PATH | O_CLOEXEC);
	struct stat st = stat_of(fd);

	ck_assert_int_eq(make_stub(), 0);
	blob_unpin(fix.blobs, &name); /* whoever made it */
	ck_assert(!blob_is_pinned(fix.blobs, &name));
	ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	node_orphan(&fs, inode, &fd, &st);
	ck_assert(blob_is_pinned(fix.blobs, &name));
	itable_take_back(fs.itable, itable_nodeid(fs.itable, inode));
	ck_assert(!blob_is_pinned(fix.blobs, &name));
}
END_TEST

START_TEST(pinned_until_it_is_its_own)
{
	int fd = openat(scratch.fd, "f", O_PATH | O_CLOEXEC);
	struct stat st = stat_of(fd);

	ck_assert_int_eq(make_stub(), 0);
	blob_unpin(fix.blobs, &name);
	forget_and_know_again(); /* seen, but never opened */
	st = stat_of(fd);
	node_orphan(&fs, inode, &fd, &st);
	ck_assert(blob_is_pinned(fix.blobs, &name));
	ck_assert_int_eq(own(true), 0);
	ck_assert(!blob_is_pinned(fix.blobs, &name));
}
END_TEST

static _Atomic bool done;

static void *go_and_come(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		int r = make_stub();

		if (r != 0 && r != -EBUSY)
			break;
		if (own(true) < 0)
			break;
	}
	atomic_store(&done, true);
	return NULL;
}

/* Times and blocks as if nothing happened, and never a moment in between. */
START_TEST(attributes_do_not_flicker)
{
	_cleanup_close_ int fd = openat(scratch.fd, "f", O_PATH | O_CLOEXEC);
	struct stat before = stat_of(fd);
	pthread_t thread;
	struct stat st;

	atomic_store(&done, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, go_and_come, NULL), 0);
	while (!atomic_load(&done)) {
		ck_assert_int_eq(content_stat(&fs, inode, fd, &st), 0);
		ck_assert_int_eq(st.st_mtim.tv_sec, MTIME);
		ck_assert_int_eq(st.st_size, SIZE);
		ck_assert_int_ge(st.st_blocks * 512, before.st_blocks * 512 - 8192);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(holds(1) && !has_mark());
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		claimed_and_written_again,
		cut_instead_of_brought_home,
		not_while_somebody_has_it,
		not_if_written_since_it_was_claimed,
		not_while_its_hash_is_learned,
		not_with_two_names,
		not_without_a_name,
		split_while_readers_have_the_blob,
		does_not_join_beside_another,
		split_breaks_claims,
		not_split_without_a_name,
		not_split_if_the_daemon_serves_them,
		without_its_blob_it_stays_as_it_is,
		known_again_by_its_mark,
		taken_for_a_stub_by_a_dead_process,
		not_punched_yet,
		cut_but_still_marked,
		pinned_as_long_as_it_is_known,
		pinned_until_it_is_its_own,
		attributes_do_not_flicker,
	};

	return RUN_TESTS("content", tests, setup, teardown);
}
