/* SPDX-License-Identifier: MIT */
/* Contents: flags of open, fallocate in its modes, holes, copying, direct I/O, vectors, limits. */
#include "posix.h"

#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#define K 4096

static char big[64 * K];

/* Byte at an offset; -1 beyond the end. */
static int at(int fd, off_t off)
{
	unsigned char c;
	ssize_t n = pread(fd, &c, 1, off);

	CHECK(n >= 0);
	return n == 1 ? c : -1;
}

static int fill(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('A' + i / K % 26);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, big, size, 0) == (ssize_t)size);
	return fd;
}

static void flags_of_open(void)
{
	int fd;
	int other;

	CHECK_ERRNO(ENOENT, open("file", O_RDWR));
	fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0644);
	CHECK(fd >= 0);
	CHECK_ERRNO(EEXIST, open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
	CHECK(write(fd, "12345", 5) == 5);
	other = open("file", O_WRONLY | O_APPEND);
	CHECK(lseek(other, 0, SEEK_SET) == 0);
	CHECK(write(other, "67", 2) == 2);
	CHECK_EQ('6', at(fd, 5));
	CHECK(write(fd, "abc", 3) == 3); /* at its own offset: over 67 */
	CHECK(write(other, "8", 1) == 1);
	CHECK_EQ('8', at(fd, 8));
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(write(fd, "9", 1) == 1);
	CHECK_EQ('9', at(fd, 9));
	CHECK_EQ('1', at(fd, 0));
	CHECK(close(other) == 0);
	CHECK_EQ(10, fstat_of(fd).st_size);
	other = open("file", O_WRONLY | O_TRUNC);
	CHECK(other >= 0);
	CHECK_EQ(0, fstat_of(fd).st_size);
	CHECK_EQ(-1, at(fd, 0));
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	CHECK(pwrite(other, "end", 3, 100) == 3);
	CHECK_EQ(103, fstat_of(fd).st_size);
	CHECK_EQ(0, at(fd, 50));
	CHECK_EQ('e', at(fd, 100));
	CHECK_ERRNO(EBADF, read(other, big, 1));
	CHECK(close(other) == 0 && close(fd) == 0);
	fd = open("file", O_RDONLY);
	CHECK_ERRNO(EBADF, write(fd, "x", 1));
	CHECK_ERRNO(EINVAL, ftruncate(fd, 0));
	CHECK(close(fd) == 0);
	CHECK_ERRNO(EISDIR, open(".", O_WRONLY));
	CHECK_ERRNO(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	CHECK_ERRNO(ENOTDIR, open("file/x", O_RDONLY));
	CHECK(unlink("file") == 0);
}

static void sizes(void)
{
	int fd = fill("file", 3 * K);

	CHECK(ftruncate(fd, 100) == 0);
	CHECK(ftruncate(fd, 2 * K) == 0);
	CHECK_EQ('A', at(fd, 99));
	CHECK_EQ(0, at(fd, 100)); /* what was cut does not come back */
	CHECK_EQ(0, at(fd, 2 * K - 1));
	CHECK(truncate("file", (off_t)1 << 32) == 0);
	CHECK_EQ((off_t)1 << 32, fstat_of(fd).st_size);
	CHECK(pwrite(fd, "far", 3, ((off_t)1 << 32) - 1) == 3);
	CHECK_EQ(((off_t)1 << 32) + 2, stat_of("file").st_size);
	CHECK(stat_of("file").st_blocks < 20000);
	CHECK_ERRNO(EINVAL, truncate("file", -1));
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
}

/* 0 if done, -1 if this filesystem does not have the mode. */
static int allocate(int fd, int mode, off_t off, off_t len)
{
	bool missing = fallocate(fd, mode, off, len) < 0;

	if (missing)
		CHECK_EQ(EOPNOTSUPP, errno);
	return missing ? -1 : 0;
}

static void fallocate_modes(void)
{
	int fd = fill("file", 8 * K);

	CHECK(allocate(fd, 0, 0, 10 * K) == 0);
	CHECK_EQ(10 * K, fstat_of(fd).st_size);
	CHECK_EQ('A', at(fd, 0));
	CHECK_EQ(0, at(fd, 9 * K));
	CHECK(allocate(fd, FALLOC_FL_KEEP_SIZE, 0, 32 * K) == 0);
	CHECK_EQ(10 * K, fstat_of(fd).st_size);
	CHECK(fstat_of(fd).st_blocks * 512 >= 32 * K);
	CHECK(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, K, 2 * K) == 0);
	CHECK_EQ('A', at(fd, K - 1));
	CHECK_EQ(0, at(fd, K));
	CHECK_EQ(0, at(fd, 3 * K - 1));
	CHECK_EQ('D', at(fd, 3 * K));
	CHECK_EQ(10 * K, fstat_of(fd).st_size);
	CHECK_ERRNO(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, K)); /* needs KEEP_SIZE */
	if (allocate(fd, FALLOC_FL_ZERO_RANGE, 3 * K, K) == 0)
		CHECK_EQ(0, at(fd, 3 * K));
	if (allocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, K) == 0) {
		CHECK_EQ(9 * K, fstat_of(fd).st_size);
		CHECK_EQ('E', at(fd, 3 * K));
		CHECK(allocate(fd, FALLOC_FL_INSERT_RANGE, 0, K) == 0);
		CHECK_EQ(10 * K, fstat_of(fd).st_size);
		CHECK_EQ('E', at(fd, 4 * K));
	}
	CHECK_ERRNO(EINVAL, fallocate(fd, 0, 0, 0));
	CHECK_ERRNO(EINVAL, fallocate(fd, 0, -1, K));
	CHECK(close(fd) == 0);
	fd = open("file", O_RDONLY);
	CHECK_ERRNO(EBADF, fallocate(fd, 0, 0, K));
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
}

/* A page of data may be a huge one: 2 MiB of it are data then. */
static void holes(void)
{
	const off_t m = 1 << 20;
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	off_t data;
	off_t hole;

	CHECK(ftruncate(fd, 64 * m) == 0);
	CHECK(pwrite(fd, big, 16 * K, 16 * m) == 16 * K);
	CHECK(fsync(fd) == 0);
	data = lseek(fd, 0, SEEK_DATA);
	CHECK(data > 14 * m && data <= 16 * m);
	CHECK_EQ(0, lseek(fd, 0, SEEK_HOLE));
	hole = lseek(fd, 16 * m, SEEK_HOLE);
	CHECK(hole >= 16 * m + 16 * K && hole <= 18 * m);
	CHECK_EQ(16 * m + K, lseek(fd, 16 * m + K, SEEK_DATA));
	CHECK_ERRNO(ENXIO, lseek(fd, hole, SEEK_DATA));
	CHECK_EQ(32 * m, lseek(fd, 32 * m, SEEK_HOLE));
	CHECK_ERRNO(ENXIO, lseek(fd, 64 * m, SEEK_HOLE));
	CHECK_EQ(64 * m, lseek(fd, 0, SEEK_END));
	CHECK_EQ(10, lseek(fd, 10 - 64 * m, SEEK_CUR));
	CHECK_ERRNO(EINVAL, lseek(fd, -1, SEEK_SET));
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
}

static void copying(void)
{
	int from = fill("from", 16 * K);
	int to = open("to", O_RDWR | O_CREAT | O_TRUNC, 0644);
	off_t in = K;
	off_t out = 0;
	size_t left = 15 * K;

	while (left > 0) {
		ssize_t n = copy_file_range(from, &in, to, &out, left, 0);

		CHECK(n > 0);
		if (n <= 0)
			break;
		left -= (size_t)n;
	}
	CHECK_EQ(16 * K, in);
	CHECK_EQ(15 * K, out);
	CHECK_EQ(15 * K, fstat_of(to).st_size);
	CHECK_EQ('B', at(to, 0));
	CHECK_EQ('P', at(to, 15 * K - 1));
	CHECK_EQ(0, copy_file_range(from, &in, to, &out, K, 0)); /* at the end */
	in = 0;
	out = 20 * K;
	CHECK(copy_file_range(from, &in, to, &out, K, 0) == K); /* past the end of `to` */
	CHECK_EQ(21 * K, fstat_of(to).st_size);
	CHECK_EQ(0, at(to, 16 * K));
	in = 0;
	out = K;
	CHECK_ERRNO(EINVAL, copy_file_range(from, &in, from, &out, 2 * K, 0)); /* overlapping */
	CHECK(copy_file_range(from, &in, from, &out, K, 0) == K);
	CHECK_EQ('A', at(from, K));
	in = 0;
	CHECK_EQ(K, sendfile(to, from, &in, K));
	CHECK(close(from) == 0 && close(to) == 0);
	CHECK(unlink("from") == 0 && unlink("to") == 0);
}

/* Written through one descriptor, seen through the other at once, whatever their flags. */
static void all_descriptors_see_one_file(void)
{
	int plain = fill("file", 4 * K);
	int reader = open("file", O_RDONLY);
	int direct = open("file", O_RDWR | O_DIRECT);
	int sync = open("file", O_WRONLY | O_SYNC);
	static char page[K] __attribute__((aligned(K)));

	CHECK_EQ('A', at(reader, 0));
	CHECK(pwrite(plain, "1", 1, 0) == 1);
	CHECK_EQ('1', at(reader, 0));
	CHECK(pwrite(sync, "2", 1, 0) == 1);
	CHECK_EQ('2', at(reader, 0));
	if (direct >= 0) {
		CHECK(pread(direct, page, K, 0) == K);
		CHECK_EQ('2', page[0]);
		page[0] = '3';
		CHECK(pwrite(direct, page, K, 0) == K);
		CHECK_EQ('3', at(reader, 0));
		CHECK_EQ('3', at(plain, 0));
		CHECK(pwrite(direct, page, K, 4 * K) == K);
		CHECK_EQ(5 * K, fstat_of(reader).st_size);
		CHECK_EQ('3', at(reader, 4 * K));
		CHECK(pwrite(plain, "4", 1, 0) == 1);
		CHECK(pread(direct, page, K, 0) == K);
		CHECK_EQ('4', page[0]);
		CHECK(close(direct) == 0);
	}
	CHECK(ftruncate(plain, 1) == 0);
	CHECK_EQ(-1, at(reader, 1));
	CHECK(fdatasync(plain) == 0);
	CHECK(close(plain) == 0 && close(sync) == 0 && close(reader) == 0);
	CHECK(unlink("file") == 0);
}

static void vectors(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	char a[3] = "";
	char b[5] = "";
	struct iovec out[] = { { .iov_base = big, .iov_len = 3 },
			       { .iov_base = big + K, .iov_len = 4 } };
	struct iovec in[] = { { .iov_base = a, .iov_len = 2 }, { .iov_base = b, .iov_len = 4 } };

	CHECK_EQ(7, pwritev(fd, out, 2, 0));
	CHECK_EQ(6, preadv(fd, in, 2, 1));
	CHECK(strcmp(a, "AA") == 0 && strcmp(b, "BBBB") == 0);
	CHECK_EQ(0, write(fd, big, 0));
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
}

static void times(void)
{
	struct stat before;
	struct stat after;
	int fd = fill("file", 10);

	CHECK(futimens(fd, (struct timespec[2]){ { 100, 123456789 }, { 200, 987654321 } }) == 0);
	before = stat_of("file");
	CHECK_EQ(100, before.st_atim.tv_sec);
	CHECK_EQ(123456789, before.st_atim.tv_nsec);
	CHECK_EQ(200, before.st_mtim.tv_sec);
	CHECK_EQ(987654321, before.st_mtim.tv_nsec);
	CHECK(futimens(fd, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, { 300, 0 } }) == 0);
	CHECK_EQ(100, fstat_of(fd).st_atim.tv_sec);
	CHECK_EQ(300, fstat_of(fd).st_mtim.tv_sec);
	CHECK(write(fd, "x", 1) == 1);
	after = fstat_of(fd);
	CHECK(after.st_mtim.tv_sec > 300);
	CHECK(after.st_ctim.tv_sec > 300);
	CHECK(futimens(fd, (struct timespec[2]){ { 100, 0 }, { 300, 0 } }) == 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(stat_of("file").st_mtim.tv_sec > 300);
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
}

/* What the filesystem says is taken when a file of 64 MiB is laid out on it. Other tests use the same one. */
static uint64_t taken_by_64_mib(void)
{
	struct statvfs before;
	struct statvfs after;
	int fd = open("file", O_RDWR | O_CREAT, 0644);

	CHECK(statvfs(".", &before) == 0);
	CHECK(before.f_blocks > 0 && before.f_bfree > 0 && before.f_bavail > 0);
	CHECK(before.f_bsize >= 512 && before.f_frsize >= 512);
	CHECK_EQ(255, before.f_namemax);
	CHECK(fallocate(fd, 0, 0, 64 << 20) == 0);
	CHECK(statvfs(".", &after) == 0);
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
	return after.f_bfree < before.f_bfree ? (before.f_bfree - after.f_bfree) * after.f_frsize
					      : 0;
}

static void numbers_of_the_filesystem(void)
{
	uint64_t taken = 0;

	for (int i = 0; i < 20 && taken < 60 << 20; i++)
		taken = taken_by_64_mib();
	CHECK(taken >= 60 << 20);
}

int main(void)
{
	(void)umask(022);
	flags_of_open();
	sizes();
	fallocate_modes();
	holes();
	copying();
	all_descriptors_see_one_file();
	vectors();
	times();
	numbers_of_the_filesystem();
	return posix_status();
}
