/* SPDX-License-Identifier: MIT */
/*
 * Files become stubs and files again, here and on a tmpfs; and what a crash between two steps leaves is settled.
 */
#include "store/stub.h"

#include <sys/wait.h>
#include <sys/xattr.h>

#include "store/mark.h"

#include "blob_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define MARK MARK_PREFIX "blob"

/* A size that ends within a page, and within a huge page. */
#define SIZE (5 * MIB + 1234)

static int64_t mtime_ns(int fd)
{
	struct stat st = stat_of(fd);

	return st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
}

/* A file with content, a blob of it, not yet a stub. */
static int prepare(const char *name, struct blob_name *ret)
{
	int fd = make_content(name, SIZE, 1);
	struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000, .tv_nsec = 5 } };

	ck_assert_int_eq(futimens(fd, past), 0);
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
	ck_assert_int_eq(mtime_ns(fd), 2000 * NS_PER_S + 5);

	ck_assert_int_eq(stub_home(fix.blobs, fd, &name), 0);
	ck_assert_int_eq(stub_get(fd, SIZE, &got), -ENODATA);
	ck_assert(has_content(fd, SIZE, 1));
	ck_assert_int_eq(mtime_ns(fd), 2000 * NS_PER_S + 5);
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
	uint64_t size = (uint64_t)stat_of(fd).st_size;
	struct blob_name name;
	_cleanup_close_ int blob = -1;

	if (stub_get(fd, size, &name) < 0)
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
}

START_TEST(killed_while_it_becomes_a_stub)
{
	static const char *const points[] = { "marked", "punched", "stubbed" };

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
	static const char *const points[] = { "copied", "home", "unmarked" };

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
	};

	return RUN_TESTS("stub", tests, blobs_setup, blobs_teardown);
}
