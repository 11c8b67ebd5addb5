/* SPDX-License-Identifier: MIT */
/*
 * Drafts: their names, what their files are told, and when they are needed.
 */
#include "store/draft.h"

#include <signal.h>
#include <sys/xattr.h>

#include "blob_fixture.h"
#include "store/blob_away.h"
#include "store/stub.h"

#define BYTES (UINT64_C(100) * 1000)

static int away_fd;
static int stub; /* its file, open for reading and writing */
static struct handle handle;
static struct blob_name name;

static void setup(void)
{
	(void)signal(SIGIO, SIG_IGN);
	blobs_setup();
	blobs_on_tmpfs();
	away_fd = make_dir(scratch.fd, "away");
	blobs_set_away(fix.blobs, away_fd);
	stub = make_file(scratch.fd, "f", "");
	ck_assert_int_eq(handle_at(scratch.fd, "f", &handle), 0);
}

static void teardown(void)
{
	stub = safe_close(stub);
	away_fd = safe_close(away_fd);
	blobs_teardown();
}

/* One that has been written to. */
static int make_draft(void)
{
	int fd = draft_make(fix.blobs, &handle, &name);

	ck_assert_int_ge(fd, 0);
	put_bytes(fd, 0, BYTES, 1);
	return fd;
}

static struct blob_away_counts counts(void)
{
	struct blob_away_counts n;

	blob_count_away(fix.blobs, &n);
	return n;
}

static uint64_t size_of_stub(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(stub, &st), 0);
	return (uint64_t)st.st_size;
}

START_TEST(a_name_is_a_handle)
{
	struct handle h = { .type = 1, .len = 12, .bytes = { 0, 0xff, 0x10 } };
	struct blob_name parsed;
	struct handle again;

	ck_assert_int_eq(draft_name_of(&h, &name), 0);
	ck_assert_str_eq(name.text, "draft-1-00ff10000000000000000000");
	ck_assert_int_eq(draft_name_parse(name.text, &again), 0);
	ck_assert(handle_equal(&h, &again));
	ck_assert(draft_is(&name));
	ck_assert_int_eq(blob_name_parse(name.text, &parsed), 0);
	ck_assert(draft_is(&parsed) && blob_name_bytes(&parsed) == 0);
	h.len = HANDLE_MAX;
	ck_assert_int_eq(draft_name_of(&h, &name), -EOVERFLOW);
}
END_TEST

START_TEST(other_names_are_none)
{
	static const char *const texts[] = { "draft-",	    "draft-1",	   "draft-1-",
					     "draft-1-0",   "draft-1-0g",  "draft-1-0G",
					     "draft-1-AB",  "draft-01-ab", "draft--ab",
					     "draft-1-ab ", "raft-1-ab",   "draft-1--b",
					     "draft-1-ab/", "draft- 1-ab" };
	struct handle h;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_msg(draft_name_parse(texts[i], &h) == -EINVAL, "%s", texts[i]);
		ck_assert_msg(blob_name_parse(texts[i], &name) == -EINVAL, "%s", texts[i]);
	}
}
END_TEST

START_TEST(needed_while_its_file_has_the_mark)
{
	_cleanup_close_ int fd = make_draft();

	ck_assert(drafts_exist(fix.blobs) && blob_is_pinned(fix.blobs, &name));
	ck_assert(!draft_is_needed(fix.blobs, &name));
	ck_assert_int_eq(stub_redirect(stub, &name), 0);
	ck_assert(draft_is_needed(fix.blobs, &name));
	ck_assert_int_eq(linkat(scratch.fd, "f", scratch.fd, "second", 0), 0);
	ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	ck_assert(draft_is_needed(fix.blobs, &name));
	ck_assert_int_eq(unlinkat(scratch.fd, "second", 0), 0);
	ck_assert(draft_is_needed(fix.blobs, &name)); /* open without a name */
	stub = safe_close(stub);
	ck_assert(!draft_is_needed(fix.blobs, &name));
}
END_TEST

START_TEST(its_file_is_told_size_and_time)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000, .tv_nsec = 3 } };
	_cleanup_close_ int fd = make_draft();
	uint64_t bytes;
	struct stat st;

	ck_assert_int_eq(stub_redirect(stub, &name), 0);
	ck_assert_int_eq(futimens(fd, times), 0);
	ck_assert_uint_eq(size_of_stub(), 0);
	ck_assert_int_eq(draft_tell_stub(fix.blobs, &name, stub, &bytes), 0);
	ck_assert_uint_eq(bytes, BYTES);
	ck_assert_int_eq(fstat(stub, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, BYTES);
	ck_assert_int_eq(st.st_mtim.tv_sec, 2000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 3);
	ck_assert_uint_eq((uint64_t)st.st_blocks * 512 < BYTES, true);
	ck_assert_uint_eq(counts().bytes, BYTES);
	ck_assert_int_eq(ftruncate(fd, 10), 0);
	ck_assert_int_eq(draft_tell_stub(fix.blobs, &name, stub, &bytes), 0);
	ck_assert_uint_eq(size_of_stub(), 10);
	ck_assert_uint_eq(counts().bytes, 10);
}
END_TEST

/* Whatever size: the mark is what counts. */
START_TEST(its_file_is_a_stub_at_any_size)
{
	_cleanup_close_ int fd = make_draft();
	struct blob_name got;

	ck_assert_int_eq(stub_redirect(stub, &name), 0);
	ck_assert_int_eq(stub_get(stub, 0, &got), 0);
	ck_assert(blob_name_equal(&name, &got));
	ck_assert_int_eq(stub_get(stub, 12345, &got), 0);
	ck_assert_int_eq(stub_settle(stub, &got), 0);
	ck_assert(blob_name_equal(&name, &got));
	ck_assert_int_eq(stub_drop(stub), 0);
	ck_assert_int_eq(stub_get(stub, 0, &got), -ENODATA);
	ck_assert(!draft_is_needed(fix.blobs, &name));
}
END_TEST

START_TEST(it_is_counted_and_gone)
{
	_cleanup_close_ int fd = make_draft();
	uint64_t bytes;

	ck_assert_int_eq(stub_redirect(stub, &name), 0);
	ck_assert_int_eq(draft_tell_stub(fix.blobs, &name, stub, &bytes), 0);
	ck_assert_uint_eq(counts().blobs, 1);
	blobs_set_away(fix.blobs, away_fd); /* another process */
	ck_assert_uint_eq(counts().blobs, 1);
	ck_assert_uint_eq(counts().bytes, BYTES);
	ck_assert(drafts_exist(fix.blobs));
	draft_remove(fix.blobs, &name);
	draft_remove(fix.blobs, &name);
	ck_assert_uint_eq(counts().blobs, 0);
	ck_assert_uint_eq(counts().bytes, 0);
	ck_assert(!drafts_exist(fix.blobs));
	ck_assert_int_eq(count_entries(away_fd), 0);
	ck_assert_int_eq(draft_open(fix.blobs, &name, O_RDONLY), -ENOENT);
}
END_TEST

/* Who has the old one open keeps that. */
START_TEST(a_new_one_takes_the_place_of_an_old_one)
{
	_cleanup_close_ int old = make_draft();
	_cleanup_close_ int fd = draft_make(fix.blobs, &handle, &name);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert(has_content(old, BYTES, 1));
	ck_assert_int_eq(count_entries(away_fd), 1);
}
END_TEST

START_TEST(a_copy_has_what_the_blob_has)
{
	_cleanup_close_ int from = make_content("g", BYTES, 2);
	struct blob_source source = { .fd = from, .bytes = BYTES, .hash = DIGITS };
	struct blob_name blob;
	_cleanup_close_ int fd = -1;

	ck_assert_int_eq(blob_make(fix.blobs, &source, &blob), 0);
	fd = draft_make_copy(fix.blobs, &handle, &blob, &name);
	ck_assert_int_ge(fd, 0);
	ck_assert(has_content(fd, BYTES, 2));
	ck_assert_uint_eq(counts().bytes, BYTES);
	draft_remove(fix.blobs, &name);
	ck_assert_uint_eq(counts().bytes, 0);
	ck_assert_int_eq(blob_remove_doomed(fix.blobs, &blob), -EBUSY);
	ck_assert_int_eq(unlinkat(fix.blobs_fd, blob.text, 0), 0);
	blob_unpin(fix.blobs, &name);
	ck_assert_int_eq(draft_make_copy(fix.blobs, &handle, &blob, &name), -ENOENT);
	ck_assert_int_eq(count_entries(away_fd), 0);
	ck_assert_uint_eq(counts().blobs, 0);
}
END_TEST

START_TEST(a_writer_is_seen)
{
	int fd = make_draft();

	ck_assert_int_eq(draft_is_writable(fix.blobs, &name), 1);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 1);
	(void)close(fd);
	fd = draft_open(fix.blobs, &name, O_RDONLY);
	ck_assert_int_eq(draft_is_writable(fix.blobs, &name), 0);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 1);
	(void)close(fd);
	ck_assert_int_eq(blob_in_use(fix.blobs, &name), 0);
}
END_TEST

START_TEST(wanted_only_where_there_is_a_place)
{
	struct blobs *none;

	ck_assert(!drafts_wanted(fix.blobs));
	drafts_want(fix.blobs, true);
	ck_assert(drafts_wanted(fix.blobs) && counts().drafts_wanted);
	drafts_want(fix.blobs, false);
	ck_assert(!drafts_wanted(fix.blobs));
	ck_assert_int_eq(blobs_new(fix.blobs_fd, false, &none), 0);
	drafts_want(none, true);
	ck_assert(!drafts_wanted(none) && !drafts_exist(none));
	blobs_free(none);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_name_is_a_handle,
		other_names_are_none,
		needed_while_its_file_has_the_mark,
		its_file_is_told_size_and_time,
		its_file_is_a_stub_at_any_size,
		it_is_counted_and_gone,
		a_new_one_takes_the_place_of_an_old_one,
		a_copy_has_what_the_blob_has,
		a_writer_is_seen,
		wanted_only_where_there_is_a_place,
	};

	return RUN_TESTS("draft", tests, setup, teardown);
}
