/* SPDX-License-Identifier: MIT */
/*
 * Who can write to a file, and what that ends.
 */
#include <signal.h>
#include <sys/mman.h>

#include "fuse/fs.h"
#include "fuse/node.h"
#include "scratch.h"

static struct store store;
static struct fs fs;
static struct inode *inode;
static struct seal_claim claim;

static struct keep *keep;

static void on_evict(void *ctx, struct inode *gone)
{
	(void)ctx;
	(void)gone;
}

static void setup(void)
{
	struct handle root = { .type = 1, .len = 1 };
	struct inode key = { .mode = S_IFREG };
	bool is_new;

	(void)signal(SIGIO, SIG_IGN);
	scratch_setup();
	add_file(scratch.fd, "f", "hello");
	key.ino = ino_of(scratch.fd, "f");
	ck_assert_int_eq(handle_at(scratch.fd, "f", &key.handle), 0);
	ck_assert_int_eq(blobs_new(scratch.fd, false, &store.blobs), 0);
	store.fd = scratch.fd;
	fs = (struct fs){ .store = &store };
	lock_init(&fs.claims_lock, LOCK_CLAIMS);
	lock_init(&fs.moves_lock, LOCK_MOVES);
	ck_assert_int_eq(keep_new(false, &keep), 0);
	ck_assert_int_eq(itable_new(keep, &root, 2, on_evict, NULL, &fs.itable), 0);
	ck_assert_int_eq(itable_lookup(fs.itable, &key, &inode, &is_new), 0);
}

static void teardown(void)
{
	ck_assert_ptr_null(fs.claims);
	ck_assert_uint_eq(inode->nlookup, 1);
	itable_free(fs.itable);
	keep_free(keep);
	blobs_free(store.blobs);
	lock_done(&fs.claims_lock);
	lock_done(&fs.moves_lock);
	scratch_teardown();
}

static int try_claim(struct seal_claim *c)
{
	return fs_claim(&fs, inode->ino, &inode->handle, c);
}

/* As an open for writing, and its close. */
static void write_once(void)
{
	ck_assert_int_eq(node_write_begin(&fs, inode, true), 0);
	(void)node_write_end(&fs, inode);
}

static bool is_sealed(void)
{
	return atomic_load(&inode->flags) & INODE_SEALED;
}

START_TEST(sealed_until_it_is_written)
{
	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert(!claim.sealed);
	ck_assert(fs_settle(&fs, &claim, true));
	ck_assert(is_sealed());
	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert(claim.sealed);
	ck_assert(!fs_settle(&fs, &claim, false));
	ck_assert(is_sealed());
	write_once();
	ck_assert(!is_sealed());
}
END_TEST

START_TEST(not_sealed_if_nothing_was_learned)
{
	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert(!fs_settle(&fs, &claim, false));
	ck_assert(!is_sealed());
	ck_assert(!(atomic_load(&inode->flags) & (INODE_CLAIMED | INODE_SEALED)));
}
END_TEST

START_TEST(broken_by_a_write_in_between)
{
	ck_assert_int_eq(try_claim(&claim), 0);
	write_once();
	ck_assert(!fs_settle(&fs, &claim, true));
	ck_assert(!is_sealed());
}
END_TEST

/* The first has read what was before, the second what is now. */
START_TEST(broken_also_if_claimed_again_since)
{
	struct seal_claim second;

	ck_assert_int_eq(try_claim(&claim), 0);
	write_once();
	ck_assert_int_eq(try_claim(&second), 0);
	ck_assert(!fs_settle(&fs, &claim, true));
	ck_assert(!is_sealed());
	ck_assert(fs_settle(&fs, &second, true));
	ck_assert(is_sealed());
}
END_TEST

START_TEST(second_claim_is_broken_after_the_first_is_settled)
{
	struct seal_claim second;

	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert_int_eq(try_claim(&second), 0);
	ck_assert(!fs_settle(&fs, &claim, false));
	write_once();
	ck_assert(!fs_settle(&fs, &second, true));
	ck_assert(!is_sealed());
}
END_TEST

/* The other file shares nothing with it but the list. */
START_TEST(write_of_another_file_breaks_nothing)
{
	struct inode key = { .mode = S_IFREG };
	struct seal_claim other_claim;
	struct inode *other;
	bool is_new;

	add_file(scratch.fd, "g", "world");
	key.ino = ino_of(scratch.fd, "g");
	ck_assert_int_eq(handle_at(scratch.fd, "g", &key.handle), 0);
	ck_assert_int_eq(itable_lookup(fs.itable, &key, &other, &is_new), 0);
	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert_int_eq(fs_claim(&fs, other->ino, &other->handle, &other_claim), 0);
	ck_assert_int_eq(node_write_begin(&fs, other, true), 0);
	ck_assert(node_write_end(&fs, other));
	ck_assert(fs_settle(&fs, &claim, true));
	ck_assert(!fs_settle(&fs, &other_claim, true));
}
END_TEST

START_TEST(no_claim_while_it_is_open_for_writing)
{
	ck_assert_int_eq(node_write_begin(&fs, inode, true), 0);
	ck_assert_int_eq(try_claim(&claim), -EBUSY);
	ck_assert(!node_is_final(&fs, inode));
	ck_assert(!fs_is_closed(&fs, inode->ino, &inode->handle));
	ck_assert(!fs_is_open(&fs, inode->ino, &inode->handle));
	inode->nopen++;
	ck_assert(fs_is_open(&fs, inode->ino, &inode->handle));
	inode->nopen--;
	ck_assert(node_write_end(&fs, inode));
	ck_assert(node_is_final(&fs, inode));
	ck_assert(fs_is_closed(&fs, inode->ino, &inode->handle));
}
END_TEST

START_TEST(no_claim_while_a_mapping_can_write)
{
	int fd = openat(scratch.fd, "f", O_RDWR | O_CLOEXEC);
	void *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	(void)close(fd);
	ck_assert_int_eq(try_claim(&claim), -EBUSY);
	ck_assert(!node_is_final(&fs, inode));
	ck_assert(fs_is_closed(&fs, inode->ino, &inode->handle));
	ck_assert_int_eq(munmap(map, 5), 0);
	ck_assert_int_eq(try_claim(&claim), 0);
	ck_assert(fs_settle(&fs, &claim, true));
}
END_TEST

START_TEST(no_claim_to_what_nobody_knows)
{
	ck_assert_int_eq(fs_claim(&fs, inode->ino + 1, &inode->handle, &claim), -ESTALE);
	ck_assert(fs_is_closed(&fs, inode->ino + 1, &inode->handle));
	ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	ck_assert_int_eq(try_claim(&claim), -ESTALE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sealed_until_it_is_written,
		not_sealed_if_nothing_was_learned,
		broken_by_a_write_in_between,
		broken_also_if_claimed_again_since,
		second_claim_is_broken_after_the_first_is_settled,
		write_of_another_file_breaks_nothing,
		no_claim_while_it_is_open_for_writing,
		no_claim_while_a_mapping_can_write,
		no_claim_to_what_nobody_knows,
	};

	return RUN_TESTS("sealing", tests, setup, teardown);
}
