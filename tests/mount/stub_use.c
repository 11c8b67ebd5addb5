/* SPDX-License-Identifier: MIT */
/*
 * Whatever is done to a file is done to a stub, and its content is the file's:
 *
 *     stub_use list             the names of files that `run` needs, which are to be stubs then
 *     stub_use fill FILE...     make files with the content that they all have
 *     stub_use share STORE PATH...  make files of STORE/tree stubs of one blob; nobody has the store mounted
 *     stub_use run TREE         all of it, in the current directory, which TREE is in the store
 *     stub_use check FILE...    they have that content
 *
 * PASSTHROUGH=off in the environment: the daemon serves all opens, so whoever has a file open sees what others write.
 */
#include "posix.h"

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>

#include "store/store.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/macro.h"

/* Ends within a page and within a huge page; a hole of 256 KiB in the middle. */
#define SIZE ((3 << 20) + 1234)
#define HOLE (1 << 20)
#define HOLE_END (HOLE + (256 << 10))

#define MARK "trusted.batonfs.blob"
#define MTIME 1000000000

static const char *tree;
static bool passthrough;
static char expected[SIZE + SIZE];

static void fill_expected(void)
{
	for (uint32_t i = 0; i < SIZE; i++)
		expected[i] = (char)(i < HOLE || i >= HOLE_END ? i * 31 + (i >> 12) * 7 + 1 : 0);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	return fd;
}

/* ---- what a file has ---- */

static bool fd_has(int fd, size_t size)
{
	static char got[sizeof(expected) + 1];
	ssize_t n = pread(fd, got, sizeof(got), 0);

	return n == (ssize_t)size && memcmp(got, expected, size) == 0;
}

static bool file_has(const char *path, size_t size)
{
	int fd = open_file(path, O_RDONLY);
	bool yes = fd_has(fd, size) && fstat_of(fd).st_size == (off_t)size;

	CHECK(close(fd) == 0);
	return yes;
}

static bool map_has(const char *path, int flags, size_t size)
{
	int fd = open_file(path, O_RDONLY);
	char *map = mmap(NULL, size, PROT_READ, flags, fd, 0);
	bool yes = map != MAP_FAILED && memcmp(map, expected, size) == 0;

	CHECK(close(fd) == 0);
	CHECK(map != MAP_FAILED && munmap(map, size) == 0);
	return yes;
}

static void restore(void)
{
	memset(expected, 0, sizeof(expected));
	fill_expected();
}

static bool is_stub(const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", tree, name);
	return getxattr(path, MARK, NULL, 0) > 0;
}

/* Behind the daemon's back: it would bring the content home. */
static int chown_in_tree(const char *name, uid_t uid)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", tree, name);
	return chown(path, uid, (gid_t)-1);
}

static void write_at(const char *path, int flags, const char *text, off_t at)
{
	int fd = open_file(path, O_WRONLY | flags);
	size_t len = strlen(text);

	CHECK(pwrite(fd, text, len, at) == (ssize_t)len);
	CHECK(close(fd) == 0);
}

/* ---- what is done ---- */

static void reading(const char *f)
{
	struct stat st = stat_of(f);
	char part[100];
	int fd;

	CHECK(is_stub(f));
	CHECK_EQ(SIZE, st.st_size);
	CHECK_EQ(MTIME, st.st_mtim.tv_sec);
	CHECK((uint64_t)st.st_blocks * 512 >= SIZE - (HOLE_END - HOLE));
	CHECK(file_has(f, SIZE));
	CHECK(map_has(f, MAP_SHARED, SIZE));
	CHECK(map_has(f, MAP_PRIVATE, SIZE));
	fd = open_file(f, O_RDONLY);
	CHECK(pread(fd, part, sizeof(part), SIZE - 10) == 10);
	CHECK(memcmp(part, expected + SIZE - 10, 10) == 0);
	CHECK(pread(fd, part, sizeof(part), SIZE) == 0);
	CHECK(fsync(fd) == 0);
	CHECK(close(fd) == 0);
	CHECK(getxattr(f, MARK, NULL, 0) < 0);
	CHECK(is_stub(f));
}

static void holes(const char *f)
{
	int fd = open_file(f, O_RDONLY);

	CHECK_EQ(0, lseek(fd, 0, SEEK_DATA));
	CHECK_EQ(HOLE, lseek(fd, 0, SEEK_HOLE));
	CHECK_EQ(HOLE_END, lseek(fd, HOLE, SEEK_DATA));
	CHECK_EQ(SIZE, lseek(fd, HOLE_END, SEEK_HOLE));
	CHECK_ERRNO(ENXIO, lseek(fd, SIZE, SEEK_DATA));
	CHECK_EQ(SIZE, lseek(fd, 0, SEEK_END));
	CHECK(close(fd) == 0);
	CHECK(is_stub(f));
}

/* None of this is the content's business. */
static void attributes(const char *f)
{
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 6, .tv_nsec = 7 } };
	struct stat before = stat_of(f);

	CHECK(chmod(f, 0751) == 0);
	CHECK(chown(f, (uid_t)-1, 34) == 0);
	CHECK(setxattr(f, "user.test", "x", 1, 0) == 0);
	CHECK(utimensat(AT_FDCWD, f, times, 0) == 0);
	CHECK(rename(f, "renamed") == 0);
	CHECK(rename("renamed", f) == 0);
	CHECK(is_stub(f));
	CHECK_EQ(before.st_ino, stat_of(f).st_ino);
	CHECK_EQ(0751, mode_of(f));
	CHECK_EQ(34, stat_of(f).st_gid);
	CHECK_EQ(6, stat_of(f).st_mtim.tv_sec);
	CHECK_EQ(7, stat_of(f).st_mtim.tv_nsec);
	CHECK(file_has(f, SIZE));
}

/* What a user is told when he asks whether the file is shared: the digit, or 0 if that is not his business. */
static char told(const char *f, uid_t uid)
{
	char value = 0;
	ssize_t n;

	CHECK(seteuid(uid) == 0);
	n = getxattr(f, "user.baton.shared", &value, 1);
	if (n < 0)
		CHECK_EQ(EACCES, errno);
	CHECK(seteuid(0) == 0);
	return n == 1 ? value : 0;
}

/* The new owner is not to see that somebody has the same. */
static void given_away(const char *f)
{
	int fd = open_file(f, O_RDONLY);

	CHECK_EQ('1', told(f, 0));
	CHECK_EQ(0, told(f, 12));
	CHECK(chown(f, 12, 34) == 0);
	CHECK(!is_stub(f));
	CHECK_EQ(12, stat_of(f).st_uid);
	CHECK_EQ(MTIME, stat_of(f).st_mtim.tv_sec);
	CHECK_EQ('0', told(f, 0));
	CHECK_EQ('0', told(f, 12));
	CHECK_EQ(0, told(f, 13));
	CHECK(file_has(f, SIZE));
	CHECK(chown(f, 13, (gid_t)-1) == 0);
	CHECK_EQ('0', told(f, 13));
	CHECK(close(fd) == 0);
	CHECK(file_has(f, SIZE));
}

/* What has two names is its own. */
static void linked(const char *f)
{
	struct stat before = stat_of(f);

	CHECK(link(f, "linked_too") == 0);
	CHECK(!is_stub(f));
	CHECK_EQ(before.st_ino, stat_of("linked_too").st_ino);
	CHECK_EQ(2, stat_of(f).st_nlink);
	CHECK_EQ(MTIME, stat_of(f).st_mtim.tv_sec);
	CHECK(file_has(f, SIZE) && file_has("linked_too", SIZE));
	CHECK(unlink(f) == 0);
	CHECK(file_has("linked_too", SIZE) && unlink("linked_too") == 0);
}

/* Opening for writing alone changes nothing that is seen. */
static void opened_for_writing(const char *f)
{
	int fd = open_file(f, O_RDWR);

	CHECK(!is_stub(f));
	CHECK(fd_has(fd, SIZE));
	CHECK_EQ(MTIME, fstat_of(fd).st_mtim.tv_sec);
	CHECK(close(fd) == 0);
	CHECK_EQ(MTIME, stat_of(f).st_mtim.tv_sec);
	CHECK(file_has(f, SIZE));
}

static void written_in_part(const char *f)
{
	write_at(f, 0, "new", 100);
	memcpy(expected + 100, "new", 3);
	CHECK(file_has(f, SIZE));
	CHECK(map_has(f, MAP_SHARED, SIZE));
	CHECK(stat_of(f).st_mtim.tv_sec != MTIME);
}

static void appended(const char *f)
{
	write_at(f, O_APPEND, "more", 0);
	memcpy(expected + SIZE, "more", 4);
	CHECK(file_has(f, SIZE + 4));
}

static void truncated_by_open(const char *f)
{
	write_at(f, O_TRUNC, "short", 0);
	CHECK(holds(f, "short"));
	CHECK(!is_stub(f));
}

static void truncated_for_reading(const char *f)
{
	int fd = open_file(f, O_RDONLY | O_TRUNC);

	CHECK_EQ(0, fstat_of(fd).st_size);
	CHECK(close(fd) == 0);
	CHECK(!is_stub(f));
}

static void truncated_to_nothing(const char *f)
{
	CHECK(truncate(f, 0) == 0);
	CHECK(!is_stub(f));
	CHECK(truncate(f, SIZE) == 0); /* holes now, and not what was there */
	memset(expected, 0, SIZE);
	CHECK(file_has(f, SIZE));
	CHECK_EQ(0, stat_of(f).st_blocks);
}

static void truncated_to_less(const char *f)
{
	CHECK(truncate(f, SIZE - 5000) == 0);
	CHECK(file_has(f, SIZE - 5000));
	CHECK(truncate(f, SIZE) == 0);
	memset(expected + SIZE - 5000, 0, 5000);
	CHECK(file_has(f, SIZE));
}

static void truncated_to_more(const char *f)
{
	CHECK(truncate(f, SIZE + 5000) == 0);
	CHECK(file_has(f, SIZE + 5000));
}

static void allocated(const char *f)
{
	int fd = open_file(f, O_RDWR);

	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 8192) == 0);
	memset(expected + 8192, 0, 8192);
	CHECK(fallocate(fd, 0, SIZE, 5000) == 0);
	CHECK(fd_has(fd, SIZE + 5000));
	CHECK(close(fd) == 0);
	CHECK(file_has(f, SIZE + 5000));
}

static void mapped_for_writing(const char *f)
{
	int fd = open_file(f, O_RDWR);
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	CHECK(close(fd) == 0);
	CHECK(memcmp(map, expected, SIZE) == 0);
	memcpy(map + 5000, "mapped", 6);
	memcpy(expected + 5000, "mapped", 6);
	CHECK(file_has(f, SIZE));
	CHECK(munmap(map, SIZE) == 0);
	CHECK(file_has(f, SIZE));
}

/* Whoever mapped it before and closed it has what he mapped, as long as he likes. */
static void rewritten_while_mapped(const char *f)
{
	int fd = open_file(f, O_RDONLY);
	char *shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char is;

	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	CHECK(close(fd) == 0);
	private[1] = 'p';
	write_at(f, O_TRUNC, "other", 0);
	is = shared[0];
	if (passthrough) {
		CHECK(memcmp(shared, expected, SIZE) == 0);
		CHECK(memcmp(private + 2, expected + 2, SIZE - 2) == 0);
		CHECK_EQ('p', private[1]);
	} else {
		CHECK_EQ('o', is); /* as on any filesystem */
	}
	CHECK(holds(f, "other"));
	CHECK(munmap(shared, SIZE) == 0 && munmap(private, SIZE) == 0);
}

/*
 * In passthrough, who has it open keeps what he opened until he closes; all others share what is new, also those who
 * open it meanwhile, and it is the same file for all.
 */
static void rewritten_while_open(const char *f)
{
	int old = open_file(f, O_RDONLY);
	int writer = open_file(f, O_RDWR);
	int later = open_file(f, O_RDONLY);
	char got[4] = "";

	CHECK(fd_has(old, SIZE) && fd_has(writer, SIZE) && fd_has(later, SIZE));
	CHECK(pwrite(writer, "new", 3, 0) == 3);
	if (passthrough)
		CHECK(fd_has(old, SIZE));
	CHECK(pread(old, got, 3, 0) == 3);
	CHECK(memcmp(got, passthrough ? expected : "new", 3) == 0);
	memcpy(expected, "new", 3);
	CHECK(fd_has(writer, SIZE) && fd_has(later, SIZE));
	CHECK(file_has(f, SIZE));
	CHECK(map_has(f, MAP_SHARED, SIZE));
	if (passthrough) /* where its holes are nobody can say any more; so it is read */
		CHECK_ERRNO(EINVAL, lseek(old, 0, SEEK_HOLE));
	CHECK(lseek(later, HOLE, SEEK_DATA) >= HOLE);
	CHECK(pwrite(writer, "yes", 3, SIZE + 10) == 3);
	memcpy(expected + SIZE + 10, "yes", 3);
	CHECK_EQ(fstat_of(writer).st_ino, fstat_of(old).st_ino);
	CHECK_EQ(passthrough ? SIZE : SIZE + 13,
		 fstat_of(old).st_size); /* as much as there is to read */
	CHECK_EQ(SIZE + 13, stat_of(f).st_size);
	CHECK(fchmod(old, 0613) == 0);
	CHECK_EQ(0613, mode_of(f));
	CHECK_EQ(0613, fstat_of(later).st_mode & 07777);
	CHECK(link(f, "linked") == 0);
	CHECK(file_has("linked", SIZE + 13) && unlink("linked") == 0);
	CHECK(close(old) == 0);
	CHECK(file_has(f, SIZE + 13));
	CHECK(close(writer) == 0 && close(later) == 0);
	CHECK(map_has(f, MAP_SHARED, SIZE + 13));
	CHECK(truncate(f, SIZE) == 0);
	mapped_for_writing(f);
}

/* By the name it has, by one that is known to the kernel as well, and by the file itself. */
static void changed_while_open(const char *f)
{
	int old = open_file(f, O_RDONLY);
	char again[64];

	CHECK(link(f, "other_name") == 0);
	CHECK_EQ(SIZE, stat_of("other_name").st_size);
	CHECK(truncate(f, SIZE - 100) == 0);
	CHECK_EQ(passthrough ? SIZE : SIZE - 100, fstat_of(old).st_size);
	CHECK_EQ(SIZE - 100, stat_of("other_name").st_size);
	CHECK(file_has("other_name", SIZE - 100));
	CHECK(chmod("other_name", 0617) == 0);
	CHECK_EQ(0617, mode_of(f));
	write_at("other_name", O_APPEND, "new", 0);
	memcpy(expected + SIZE - 100, "new", 3);
	CHECK(file_has(f, SIZE - 97));
	if (passthrough) {
		restore();
		CHECK(fd_has(old, SIZE));
		memcpy(expected + SIZE - 100, "new", 3);
		(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", old);
		CHECK_ERRNO(ESTALE, open(again, O_RDONLY | O_CLOEXEC));
	}
	CHECK(unlink("other_name") == 0 && link(f, "other_name") == 0);
	CHECK_EQ(2, stat_of(f).st_nlink);
	CHECK(close(old) == 0);
	CHECK(file_has(f, SIZE - 97) && file_has("other_name", SIZE - 97));
	CHECK(unlink("other_name") == 0);
}

/* Of all that he is told of he can read and map every byte, however often the file is cut and written meanwhile. */
static void cut_while_open(const char *f)
{
	int old = open_file(f, O_RDONLY);
	off_t end = passthrough ? SIZE : 5;

	write_at(f, O_TRUNC, "short", 0);
	CHECK_EQ(end, fstat_of(old).st_size);
	CHECK_EQ(end, lseek(old, 0, SEEK_END));
	CHECK(!passthrough || fd_has(old, SIZE));
	CHECK(holds(f, "short"));
	CHECK(truncate(f, SIZE + 5000) == 0);
	end = passthrough ? SIZE : SIZE + 5000;
	CHECK_EQ(end, fstat_of(old).st_size);
	CHECK_EQ(SIZE + 5000, stat_of(f).st_size);
	CHECK(unlink(f) == 0);
	CHECK_EQ(end, fstat_of(old).st_size);
	CHECK(!passthrough || fd_has(old, SIZE));
	CHECK(close(old) == 0);
}

static void copied_by(int from, int to, size_t size)
{
	off_t in = 0;
	off_t out = 0;

	while (in < (off_t)size) {
		ssize_t n = copy_file_range(from, &in, to, &out, size - (size_t)in, 0);

		CHECK(n > 0);
		if (n <= 0)
			return;
	}
}

/* copy_file_range(2), also of what only the kernel can read any more. */
static void copied(const char *f)
{
	int from = open_file(f, O_RDONLY);
	int to = open_file("copy", O_RDWR | O_CREAT | O_TRUNC);

	copied_by(from, to, SIZE);
	CHECK(fd_has(to, SIZE));
	CHECK(ftruncate(to, 0) == 0);
	write_at(f, 0, "new", 10);
	copied_by(from, to, SIZE);
	if (!passthrough)
		memcpy(expected + 10, "new", 3);
	CHECK(fd_has(to, SIZE));
	CHECK(close(from) == 0 && close(to) == 0 && unlink("copy") == 0);
	memcpy(expected + 10, "new", 3);
	CHECK(file_has(f, SIZE));
}

static void copied_into(const char *f)
{
	int from = open_file(f, O_RDONLY);
	int to = open_file("copy", O_RDWR | O_CREAT | O_TRUNC);
	off_t out = 7;
	int fd;

	CHECK(pwrite(to, "0123456789", 10, 0) == 10);
	CHECK(close(from) == 0);
	fd = open_file(f, O_WRONLY);
	CHECK(copy_file_range(to, &(off_t){ 2 }, fd, &out, 5, 0) == 5);
	memcpy(expected + 7, "23456", 5);
	CHECK(close(fd) == 0 && close(to) == 0 && unlink("copy") == 0);
	CHECK(file_has(f, SIZE));
}

/* Without a name, through descriptors that are there, and opened again. */
static void unlinked(const char *f)
{
	int fd = open_file(f, O_RDONLY);
	char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	char again[64];
	int rw;

	CHECK(map != MAP_FAILED);
	CHECK(unlink(f) == 0);
	CHECK(fd_has(fd, SIZE));
	CHECK(memcmp(map, expected, SIZE) == 0);
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	CHECK(file_has(again, SIZE));
	if (passthrough) { /* nobody else could be given the blob, and it has no name to be found by */
		CHECK_ERRNO(ETXTBSY, open(again, O_RDWR | O_CLOEXEC));
	} else {
		rw = open_file(again, O_RDWR);
		CHECK(pwrite(rw, "new", 3, 0) == 3);
		memcpy(expected, "new", 3);
		CHECK(fd_has(rw, SIZE) && close(rw) == 0);
	}
	CHECK(memcmp(map, expected, SIZE) == 0);
	CHECK(munmap(map, SIZE) == 0);
	CHECK(close(fd) == 0);
}

static void replaced(const char *f)
{
	int fd = open_file(f, O_RDONLY);

	make_file("other", 0644, "other");
	CHECK(rename("other", f) == 0);
	CHECK(fd_has(fd, SIZE));
	CHECK(holds(f, "other"));
	CHECK(close(fd) == 0);
}

static void by_path(const char *f)
{
	int fd = open_file(f, O_PATH);
	char again[64];
	int rw;

	CHECK(unlink(f) == 0); /* seen, never opened */
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	CHECK(file_has(again, SIZE));
	rw = open_file(again, O_RDWR);
	CHECK(pwrite(rw, "new", 3, 0) == 3);
	memcpy(expected, "new", 3);
	CHECK(fd_has(rw, SIZE) && close(rw) == 0);
	CHECK(file_has(again, SIZE));
	CHECK(close(fd) == 0);
}

static void by_vectors(const char *f)
{
	static char a[SIZE];
	int fd = open_file(f, O_RDONLY);
	struct iovec v[2] = { { a, 1000 }, { a + 1000, SIZE - 1000 } };
	int p[2];

	CHECK(preadv(fd, v, 2, 0) == SIZE);
	CHECK(memcmp(a, expected, SIZE) == 0);
	CHECK(pipe(p) == 0);
	CHECK(splice(fd, &(off_t){ 4096 }, p[1], NULL, 1000, 0) == 1000);
	CHECK(read(p[0], a, 1000) == 1000);
	CHECK(memcmp(a, expected + 4096, 1000) == 0);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0 && close(fd) == 0);
	CHECK(is_stub(f));
}

/* As cp(1) does: the source, then at once the new file. Open for writing still. */
static int copy_as_cp(const char *from, const char *to, int flags, size_t size)
{
	int in = open_file(from, O_RDONLY);
	int out = open_file(to, O_WRONLY | O_CREAT | flags);
	size_t done = 0;

	while (done < size) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, size - done, 0);

		CHECK(n > 0);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	CHECK(close(in) == 0);
	return out;
}

/* Between the two opens a busy machine may lie: then the bytes are copied, and it is tried again. */
static int copy_at_once(const char *from, const char *to, int flags)
{
	int fd = copy_as_cp(from, to, flags, SIZE);

	for (int i = 0; i < 100 && !is_stub(to); i++) {
		CHECK(close(fd) == 0 && unlink(to) == 0);
		fd = copy_as_cp(from, to, flags, SIZE);
	}
	CHECK(is_stub(to));
	return fd;
}

static void copied_at_once(const char *f)
{
	int fd = copy_at_once(f, "clone", O_EXCL);

	CHECK(file_has("clone", SIZE));
	CHECK(map_has("clone", MAP_SHARED, SIZE));
	CHECK((uint64_t)stat_of("clone").st_blocks * 512 >= SIZE - (HOLE_END - HOLE));
	CHECK(stat_of("clone").st_mtim.tv_sec != MTIME);
	CHECK(close(fd) == 0);
	CHECK(is_stub("clone"));
	CHECK(file_has("clone", SIZE));
	CHECK(map_has("clone", MAP_SHARED, SIZE));
	fd = copy_at_once("clone", "again", 0); /* as libuv does, and of a copy */
	CHECK(close(fd) == 0 && file_has("again", SIZE));
	CHECK(unlink("clone") == 0);
	CHECK(file_has("again", SIZE) && unlink("again") == 0);
	CHECK(is_stub(f));
}

/* What comes behind it comes home first; and who reads it meanwhile reads what is there. */
static void copied_and_written(const char *f)
{
	int fd = copy_at_once(f, "clone", O_EXCL);
	int reader = open_file("clone", O_RDONLY);

	CHECK(fd_has(reader, SIZE));
	CHECK(pwrite(fd, "new", 3, 200) == 3);
	memcpy(expected + 200, "new", 3);
	CHECK(!is_stub("clone"));
	CHECK(fd_has(reader, SIZE));
	CHECK(write(fd, "more", 4) == 4);
	memcpy(expected + SIZE, "more", 4);
	CHECK(fd_has(reader, SIZE + 4));
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
	memset(expected, 0, 4096);
	CHECK(ftruncate(fd, SIZE) == 0);
	CHECK(close(fd) == 0 && close(reader) == 0);
	CHECK(file_has("clone", SIZE) && unlink("clone") == 0);
	restore();
	fd = copy_at_once(f, "clone", O_EXCL);
	CHECK(ftruncate(fd, 100) == 0);
	CHECK(close(fd) == 0 && file_has("clone", 100) && unlink("clone") == 0);
	fd = copy_at_once(f, "clone", O_EXCL);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
	memset(expected, 0, 4096);
	CHECK(close(fd) == 0 && file_has("clone", SIZE) && unlink("clone") == 0);
	CHECK(is_stub(f));
}

/* In part, over what is there, and to another's file: bytes. */
static void copied_by_bytes(const char *f)
{
	int fd = copy_as_cp(f, "clone", O_EXCL, SIZE - 1);

	CHECK(close(fd) == 0 && !is_stub("clone"));
	CHECK(file_has("clone", SIZE - 1));
	fd = copy_as_cp(f, "clone", O_TRUNC, SIZE);
	CHECK(close(fd) == 0 && !is_stub("clone"));
	CHECK(file_has("clone", SIZE) && unlink("clone") == 0);
	CHECK(chown_in_tree(f, 12) == 0);
	fd = copy_as_cp(f, "clone", O_EXCL, SIZE);
	CHECK(close(fd) == 0 && !is_stub("clone"));
	CHECK(file_has("clone", SIZE) && unlink("clone") == 0);
	CHECK(is_stub(f));
}

/* ---- the table ---- */

static const struct scene {
	const char *name;
	void (*play)(const char *f);
} scenes[] = {
	{ "holes", holes }, /* first: on a tmpfs, who maps a hole fills it */
	{ "reading", reading },
	{ "attributes", attributes },
	{ "given_away", given_away },
	{ "linked", linked },
	{ "opened_for_writing", opened_for_writing },
	{ "written_in_part", written_in_part },
	{ "appended", appended },
	{ "truncated_by_open", truncated_by_open },
	{ "truncated_for_reading", truncated_for_reading },
	{ "truncated_to_nothing", truncated_to_nothing },
	{ "truncated_to_less", truncated_to_less },
	{ "truncated_to_more", truncated_to_more },
	{ "allocated", allocated },
	{ "mapped_for_writing", mapped_for_writing },
	{ "rewritten_while_mapped", rewritten_while_mapped },
	{ "rewritten_while_open", rewritten_while_open },
	{ "changed_while_open", changed_while_open },
	{ "cut_while_open", cut_while_open },
	{ "copied", copied },
	{ "copied_into", copied_into },
	{ "copied_at_once", copied_at_once },
	{ "copied_and_written", copied_and_written },
	{ "copied_by_bytes", copied_by_bytes },
	{ "unlinked", unlinked },
	{ "replaced", replaced },
	{ "by_path", by_path },
	{ "by_vectors", by_vectors },
};

static void fill_file(const char *path)
{
	struct timespec times[2] = { { .tv_sec = MTIME }, { .tv_sec = MTIME } };
	int fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL);

	CHECK(pwrite(fd, expected, HOLE, 0) == HOLE);
	CHECK(pwrite(fd, expected + HOLE_END, SIZE - HOLE_END, HOLE_END) == SIZE - HOLE_END);
	CHECK(futimens(fd, times) == 0);
	CHECK(close(fd) == 0);
}

static int share(const char *store_path, char **paths, int n)
{
	struct store_error error;
	struct blob_source source = { .bytes = SIZE, .hash = "0123456789abcdef0123456789abcdef" };
	struct blob_name name = { 0 };
	struct store store;

	if (store_open(store_path, &store, &error) < 0) {
		printf("FAIL: %s\n", error.text);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_close_ int fd = openat(store.tree_fd, paths[i], O_RDWR | O_CLOEXEC);

		CHECK(fd >= 0);
		source.fd = fd;
		if (i == 0)
			CHECK_EQ(0, blob_make(store.blobs, &source, &name));
		CHECK_EQ(0, stub_make(store.blobs, fd, &name));
	}
	store_close(&store);
	return posix_status();
}

static int run(const char *where)
{
	tree = where;
	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
		int before = posix_failures;

		scenes[i].play(scenes[i].name);
		if (posix_failures > before)
			printf("in %s\n", scenes[i].name);
		restore();
	}
	return posix_status();
}

int main(int argc, char **argv)
{
	const char *how = getenv("PASSTHROUGH");

	passthrough = !how || strcmp(how, "off") != 0;
	restore();
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
			puts(scenes[i].name);
		return 0;
	}
	if (argc > 3 && strcmp(argv[1], "share") == 0)
		return share(argv[2], argv + 3, argc - 3);
	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return run(argv[2]);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[1], "fill") == 0)
			fill_file(argv[i]);
		else
			CHECK(file_has(argv[i], SIZE));
	}
	return posix_status();
}
