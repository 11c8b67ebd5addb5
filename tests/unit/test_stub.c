/* SPDX-License-Identifier: MIT */
/*
 * Files become stubs and files again, here and on a tmpfs; and what a crash between two steps leaves is settled.
 */
#include "store/stub.h"

#include <limits.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "store/mark.h"

#include "blob_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define MARK MARK_PREFIX "blob"

/* When the content of the files was modified. */
#define MTIME_NS (2000 * NS_PER_S + 5)

/* A size that ends within a page, and within a huge page. */
static uint64_t size = 5 * MIB + 1234;
#define SIZE size

static int64_t mtime_ns(int fd)
{
	struct stat st = stat_of(fd);

	return st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
}

static void set_mtime(int fd)
{
	struct timespec past[2] = { { .tv_sec = 1000 },
				    { .tv_sec = MTIME_NS / NS_PER_S,
				      .tv_nsec = MTIME_NS % NS_PER_S } };

	ck_assert_int_eq(futimens(fd, past), 0);
}

/* A file with content, a blob of it, not yet a stub. */
static int prepare(const char *name, struct blob_name *ret)
{
	int fd = make_content(name, SIZE, 1);

	set_mtime(fd);
	*ret = blob_of(fd, DIGITS);
	return fd;
}

static void there_and_back(void)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);
	struct stat before = stat_of(fd);
	struct stat st;

	ck_assert_int_eq(stub_get(fd, SIZE, &got), -ENODATA);
	ck_assert(!stub_maybe(&before, false));
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(stub_get(fd, SIZE, &got), 0);
	ck_assert_str_eq(got.text, name.text);
	st = stat_of(fd);
	ck_assert(stub_maybe(&st, false));
	ck_assert_int_eq(st.st_size, SIZE);
	ck_assert_int_lt(st.st_blocks, 16);
	ck_assert_uint_eq(st.st_ino, before.st_ino);
	ck_assert_int_eq(mtime_ns(fd), MTIME_NS);

	ck_assert_int_eq(stub_home(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(stub_get(fd, SIZE, &got), -ENODATA);
	ck_assert(has_content(fd, SIZE, 1));
	ck_assert_int_eq(mtime_ns(fd), MTIME_NS);
	ck_assert_int_ge(stat_of(fd).st_blocks, SIZE / 512);
}

START_TEST(stub_and_file_again)
{
	there_and_back();
	blobs_on_tmpfs();
	there_and_back();
}
END_TEST

/* Blocks that were allocated ahead would hide a stub. */
static void blocks_beyond_the_end(void)
{
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);
	struct stat st;

	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * SIZE), 0);
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	st = stat_of(fd);
	ck_assert(stub_maybe(&st, false));
	ck_assert_int_lt(st.st_blocks, 16);
}

START_TEST(nothing_is_left_beyond_the_end)
{
	blocks_beyond_the_end();
	blobs_on_tmpfs();
	blocks_beyond_the_end();
}
END_TEST

static void holes_come_home_as_holes(void)
{
	_cleanup_close_ int fd = make_content("f", MIB, 1);
	_cleanup_close_ int same = make_content("g", MIB, 1);
	struct blob_name name;

	ck_assert_int_eq(ftruncate(fd, 40 * MIB), 0);
	ck_assert_int_eq(ftruncate(same, 40 * MIB), 0);
	name = blob_of(fd, DIGITS);
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(stub_home(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(copy_compare(fd, same, 40 * MIB, NULL, NULL), 1);
	ck_assert_int_lt(stat_of(fd).st_blocks * 512, 4 * MIB);
}

START_TEST(holes_stay_holes)
{
	holes_come_home_as_holes();
	blobs_on_tmpfs();
	holes_come_home_as_holes();
}
END_TEST

START_TEST(dropped_stub_is_an_empty_file)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);

	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(stub_drop(fd), 0);
	ck_assert_int_eq(stat_of(fd).st_size, 0);
	ck_assert_int_eq(stub_get(fd, 0, &got), -ENODATA);
	ck_assert_int_eq(stub_drop(fd), 0);
}
END_TEST

START_TEST(blob_of_another_size_is_refused)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);

	put_bytes(fd, SIZE, 1, 1);
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), -EUCLEAN);
	ck_assert_int_eq(stub_get(fd, SIZE + 1, &got), -ENODATA);
	ck_assert(has_content(fd, SIZE + 1, 1));
}
END_TEST

/* Struct vfs_cap_data, revision 2: cap_net_raw. */
static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 0x20 };

START_TEST(capabilities_are_kept)
{
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);
	uint8_t got[32];

	ck_assert_int_eq(fsetxattr(fd, "security.capability", capability, 20, 0), 0);
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), -EPERM);
	ck_assert(has_content(fd, SIZE, 1));
	ck_assert_int_eq(fremovexattr(fd, "security.capability"), 0);
	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(fsetxattr(fd, "security.capability", capability, 20, 0), 0);
	ck_assert_int_eq(stub_home(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(fgetxattr(fd, "security.capability", got, sizeof(got)), 20);
	ck_assert(memcmp(got, capability, 20) == 0);
}
END_TEST

START_TEST(without_its_blob_it_stays_a_stub)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);

	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(unlinkat(fix.blobs_fd, name.text, 0), 0);
	ck_assert_int_eq(stub_home(fix.blobs, fd, &name), -ENOENT);
	ck_assert_int_eq(stub_get(fd, SIZE, &got), 0);
}
END_TEST

START_TEST(damaged_marks_are_told)
{
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);
	static const char *const texts[] = { "", "x", "../../etc/passwd", DIGITS "-5-5-5" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(fsetxattr(fd, MARK, texts[i], strlen(texts[i]), 0), 0);
		ck_assert_int_eq(stub_get(fd, SIZE, &name), -EINVAL);
		ck_assert_int_eq(stub_settle(fd, &name), -EINVAL);
	}
	ck_assert(has_content(fd, SIZE, 1));
}
END_TEST

/* Do it in a child that dies at the fault point; false: it came to the end. */
static bool dies_at(const char *point, int (*fn)(int fd, const struct blob_name *name), int fd,
		    const struct blob_name *name)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)setenv("BATONFS_FAULT", point, 1);
		_exit(fn(fd, name) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static int make(int fd, const struct blob_name *name)
{
	return stub_make(fix.blobs, fd, name);
}

static int make_empty(int fd, const struct blob_name *name)
{
	return stub_make_empty(fd, name);
}

static int home(int fd, const struct blob_name *name)
{
	return stub_home(fix.blobs, fd, name);
}

static int drop(int fd, const struct blob_name *name)
{
	(void)name;
	return stub_drop(fd);
}

/* What a reader gets after the next start: the file's own, or the blob's. */
static bool reads_whole(int fd)
{
	struct blob_name name;
	_cleanup_close_ int blob = -1;

	if (stub_get(fd, (uint64_t)stat_of(fd).st_size, &name) < 0)
		return has_content(fd, SIZE, 1);
	blob = blob_open(fix.blobs, &name);
	return has_content(blob, SIZE, 1);
}

static void settles(int fd)
{
	struct blob_name name;
	struct stat st;

	ck_assert_int_ge(stub_settle(fd, &name), 0);
	ck_assert_int_eq(stub_settle(fd, &name), 0);
	st = stat_of(fd);
	if (name.text[0])
		ck_assert(stub_maybe(&st, false));
	ck_assert_int_eq(mtime_ns(fd), MTIME_NS);
}

START_TEST(killed_while_it_becomes_a_stub)
{
	static const char *const points[] = { "marked", "punched", "restored", "stubbed" };

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct blob_name name;
		_cleanup_close_ int fd = prepare(points[i], &name);

		if (!dies_at(points[i], make, fd, &name))
			return; /* this build has no fault points */
		ck_assert(reads_whole(fd));
		settles(fd);
		ck_assert(reads_whole(fd));
	}
}
END_TEST

START_TEST(killed_on_the_way_home)
{
	static const char *const points[] = { "homeward", "copied", "home", "unmarked" };

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct blob_name name;
		_cleanup_close_ int fd = prepare(points[i], &name);

		ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
		if (!dies_at(points[i], home, fd, &name))
			return;
		ck_assert(reads_whole(fd));
		settles(fd);
		ck_assert(reads_whole(fd));
	}
}
END_TEST

START_TEST(killed_while_it_is_dropped)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);

	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	if (!dies_at("cut", drop, fd, &name))
		return;
	ck_assert_int_eq(stub_get(fd, 0, &got), -ESTALE);
	ck_assert_int_eq(stub_settle(fd, &got), 1);
	ck_assert_int_eq(stub_get(fd, 0, &got), -ENODATA);
}
END_TEST

START_TEST(killed_while_an_empty_one_becomes_a_stub)
{
	static const char *const points[] = { "marked-empty", "grown" };

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct blob_name name, got;
		_cleanup_close_ int source = prepare(points[i], &name);
		_cleanup_close_ int fd = make_content("copy", 0, 0);

		if (!dies_at(points[i], make_empty, fd, &name))
			return;
		ck_assert(stat_of(fd).st_size == 0 || reads_whole(fd));
		ck_assert_int_ge(stub_settle(fd, &got), 0);
		ck_assert(stat_of(fd).st_size == 0 || got.text[0]);
		ck_assert_int_eq(unlinkat(scratch.fd, "copy", 0), 0);
	}
}
END_TEST

START_TEST(times_before_1970_are_kept)
{
	struct timespec past[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = -5, .tv_nsec = 7 } };
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);

	ck_assert_int_eq(futimens(fd, past), 0);
	if (!dies_at("punched", make, fd, &name))
		return;
	ck_assert_int_eq(stub_settle(fd, &name), 1);
	ck_assert_int_eq(mtime_ns(fd), -5 * NS_PER_S + 7);
}
END_TEST

/* ---- calls that fail ---- */

#define ORDERS "orders"

/* From the nth on all calls fail, or only that one. */
static void fail_calls(int n, bool all, int err)
{
	_cleanup_close_ int fd = make_file(scratch.fd, ORDERS, "");

	(void)unlinkat(scratch.fd, ORDERS ".hit", 0);
	(void)dprintf(fd, "* %d %d %d\n", n, all ? INT_MAX : n, err);
}

/* The files of one round. */
static void remove_all(void)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;

	(void)unlinkat(scratch.fd, "f", 0);
	(void)unlinkat(scratch.fd, "copy", 0);
	ck_assert_int_eq(dir_open(fix.blobs_fd, ".", &dir), 0);
	while ((d = readdir(dir)))
		(void)unlinkat(fix.blobs_fd, d->d_name, 0);
}

/* Whether one has failed. */
static bool have_failed(void)
{
	(void)unlinkat(scratch.fd, ORDERS, 0);
	return faccessat(scratch.fd, ORDERS ".hit", F_OK, 0) == 0;
}

static bool is_stub(int fd)
{
	struct blob_name name;

	return stub_get(fd, (uint64_t)stat_of(fd).st_size, &name) == 0;
}

/* A stub can become a file, and a file a stub, whatever failed before. */
static void goes_on(int fd, const struct blob_name *name)
{
	settles(fd);
	ck_assert(reads_whole(fd));
	if (!is_stub(fd))
		ck_assert_int_eq(stub_make(fix.blobs, fd, name), 0);
	ck_assert_int_eq(stub_home(fix.blobs, fd, name), 0);
	ck_assert(has_content(fd, SIZE, 1));
	ck_assert_int_eq(mtime_ns(fd), MTIME_NS);
}

static bool make_fails(int n, bool all, int err)
{
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);
	bool failed;
	int r;

	fail_calls(n, all, err);
	r = stub_make(fix.blobs, fd, &name);
	failed = have_failed();
	ck_assert(failed || r == 0);
	ck_assert_int_eq(r == 0, is_stub(fd));
	ck_assert(reads_whole(fd));
	goes_on(fd, &name);
	return failed;
}

static bool home_fails(int n, bool all, int err)
{
	struct blob_name name;
	_cleanup_close_ int fd = prepare("f", &name);
	bool failed;
	int r;

	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	fail_calls(n, all, err);
	r = stub_home(fix.blobs, fd, &name);
	failed = have_failed();
	ck_assert(failed || r == 0);
	ck_assert_int_eq(r == 0, !is_stub(fd));
	ck_assert(reads_whole(fd));
	goes_on(fd, &name);
	return failed;
}

static bool drop_fails(int n, bool all, int err)
{
	struct blob_name name, got;
	_cleanup_close_ int fd = prepare("f", &name);
	bool failed;
	int r;

	ck_assert_int_eq(stub_make(fix.blobs, fd, &name), 0);
	fail_calls(n, all, err);
	r = stub_drop(fd);
	failed = have_failed();
	ck_assert_int_eq(r == 0, !is_stub(fd));
	if (r == 0)
		ck_assert_int_eq(stub_get(fd, 0, &got), -ENODATA);
	ck_assert_int_eq(stat_of(fd).st_size, r == 0 ? 0 : SIZE);
	if (r < 0 && all) /* but for its time */
		set_mtime(fd);
	if (r < 0)
		goes_on(fd, &name);
	return failed;
}

static bool empty_fails(int n, bool all, int err)
{
	struct blob_name name, got;
	_cleanup_close_ int source = prepare("f", &name);
	_cleanup_close_ int fd = make_content("copy", 0, 0);
	bool failed;
	int r;

	fail_calls(n, all, err);
	r = stub_make_empty(fd, &name);
	failed = have_failed();
	ck_assert_int_eq(r == 0, is_stub(fd));
	ck_assert_int_eq(stat_of(fd).st_size, r == 0 ? SIZE : 0);
	ck_assert_int_ge(stub_settle(fd, &got), 0);
	if (r < 0)
		ck_assert_int_eq(stub_make_empty(fd, &name), 0);
	ck_assert(reads_whole(fd));
	return failed;
}

static void each_call_fails(bool (*fails)(int n, bool all, int err))
{
	static const int errors[] = { ENOSPC, EIO };
	char path[sizeof(scratch.path) + sizeof(ORDERS)];

	(void)snprintf(path, sizeof(path), "%s/" ORDERS, scratch.path);
	(void)setenv("BATONFS_FAULT_CALLS", path, 1);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(errors); i++) {
		int n = 1;

		for (; fails(n, i % 2, errors[i / 2]); n++)
			remove_all();
		remove_all();
	}
	(void)unsetenv("BATONFS_FAULT_CALLS");
}

START_TEST(whatever_fails_it_reads_the_same)
{
	static bool (*const all[])(int n, bool all, int err) = {
		make_fails,
		home_fails,
		drop_fails,
		empty_fails,
	};

	size = 200000; /* it takes a hundred of them */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		each_call_fails(all[i]);
	blobs_on_tmpfs();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		each_call_fails(all[i]);
	size = 5 * MIB + 1234;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		stub_and_file_again,
		nothing_is_left_beyond_the_end,
		holes_stay_holes,
		dropped_stub_is_an_empty_file,
		blob_of_another_size_is_refused,
		capabilities_are_kept,
		without_its_blob_it_stays_a_stub,
		damaged_marks_are_told,
		killed_while_it_becomes_a_stub,
		killed_on_the_way_home,
		killed_while_it_is_dropped,
		killed_while_an_empty_one_becomes_a_stub,
		times_before_1970_are_kept,
		whatever_fails_it_reads_the_same,
	};

	return RUN_TESTS("stub", tests, blobs_setup, blobs_teardown);
}
