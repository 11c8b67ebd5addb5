/* SPDX-License-Identifier: MIT */
/*
 * limit_ways DIRECTORY BYTES FILES: the directory is that of an execution with these limits, all of it strict, and it is
 * empty. Every way to make files longer stops at exactly BYTES with EDQUOT, every way to make one at FILES.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix.h"

static const char *top;
static long limit;
static char block[1 << 16];

static int make(const char *name, int flags)
{
	int fd = open(name, O_CREAT | O_CLOEXEC | flags, 0644);

	CHECK(fd >= 0);
	return fd;
}

static long size_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_size;
}

/* Write until it fails; how much there was room for. */
static long fill(int fd)
{
	long n, sum = 0;
	int err;

	while ((n = write(fd, block, sizeof(block))) > 0)
		sum += n;
	err = errno;
	CHECK(n < 0 && err == EDQUOT);
	return sum;
}

static void write_stops_at_the_limit(int flags)
{
	int fd = make("a", flags);

	CHECK(fill(fd) == limit);
	CHECK(size_of(fd) == limit);
	CHECK(pwrite(fd, block, 1, limit) < 0 && errno == EDQUOT);
	CHECK(pwrite(fd, block, 4096, limit - 4096) == 4096); /* over what is there */
	CHECK(pwrite(fd, block, 4096, limit - 1024) == 1024);
	CHECK(ftruncate(fd, limit - 10) == 0);
	CHECK(pwrite(fd, block, 4096, limit - 10) == 10);
	CHECK(close(fd) == 0);
	CHECK(unlink("a") == 0);
}

static void two_files_share_it(void)
{
	int a = make("a", O_WRONLY), b = make("b", O_RDWR);

	CHECK(pwrite(a, block, 1000, 0) == 1000);
	CHECK(fill(b) == limit - 1000);
	CHECK(pwrite(a, block, 1, 1000) < 0 && errno == EDQUOT);
	CHECK(ftruncate(b, 0) == 0);
	CHECK(pwrite(a, block, 1, 1000) == 1);
	CHECK(close(a) == 0 && close(b) == 0);
	CHECK(unlink("a") == 0 && unlink("b") == 0);
}

/* Sizes count, whether there are blocks or not. */
static void holes_count(void)
{
	int fd = make("a", O_RDWR);

	CHECK(ftruncate(fd, limit + 1) < 0 && errno == EDQUOT);
	CHECK(size_of(fd) == 0);
	CHECK(ftruncate(fd, limit) == 0);
	CHECK(truncate("a", limit + 1) < 0 && errno == EDQUOT);
	CHECK(truncate("a", 5) == 0);
	CHECK(pwrite(fd, block, 1, limit) < 0 && errno == EDQUOT);
	CHECK(pwrite(fd, block, 10, limit - 1) == 1);
	CHECK(size_of(fd) == limit);
	CHECK(close(fd) == 0);
	fd = make("a", O_WRONLY | O_TRUNC);
	CHECK(fill(fd) == limit);
	CHECK(close(fd) == 0);
	fd = make("a", O_WRONLY | O_APPEND);
	CHECK(write(fd, block, 1) < 0 && errno == EDQUOT);
	CHECK(close(fd) == 0);
	CHECK(unlink("a") == 0);
}

static void fallocate_counts(void)
{
	int fd = make("a", O_RDWR);

	CHECK(fallocate(fd, 0, 0, limit + 1) < 0 && errno == EDQUOT);
	CHECK(size_of(fd) == 0);
	CHECK(fallocate(fd, 0, 0, limit / 2) == 0);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, limit / 2) == 0);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, limit / 2 + 1) < 0 && errno == EOPNOTSUPP);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
	CHECK(fallocate(fd, 0, limit / 2, limit) < 0 && errno == EDQUOT);
	CHECK(lseek(fd, 0, SEEK_END) == limit / 2);
	CHECK(fill(fd) == limit - limit / 2);
	CHECK(close(fd) == 0);
	CHECK(unlink("a") == 0);
}

static void copies_count(void)
{
	int in = make("in", O_RDWR), out = make("out", O_WRONLY);
	off_t from = 0, to = 0;
	long part = limit * 2 / 5;

	CHECK(ftruncate(in, part) == 0);
	CHECK(copy_file_range(in, &from, out, &to, (size_t)limit, 0) == part);
	from = 0;
	CHECK(copy_file_range(in, &from, out, &to, (size_t)limit, 0) == limit - 2 * part);
	from = 0;
	CHECK(copy_file_range(in, &from, out, &to, 1, 0) < 0 && errno == EDQUOT);
	CHECK(size_of(in) + size_of(out) == limit);
	CHECK(close(in) == 0 && close(out) == 0);
	CHECK(unlink("in") == 0 && unlink("out") == 0);
}

/* A file without a name has no place to hide. */
static void nameless_files_count(void)
{
	int a = make("a", O_RDWR), fd;

	CHECK(pwrite(a, block, 5000, 0) == 5000);
	CHECK(unlink("a") == 0);
	CHECK(pwrite(a, block, 5000, 5000) == 5000);
	fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(fill(fd) == limit - 10000);
	CHECK(pwrite(a, block, 1, 10000) < 0 && errno == EDQUOT);
	CHECK(linkat(fd, "", AT_FDCWD, "b", AT_EMPTY_PATH) == 0);
	CHECK(pwrite(fd, block, 1, limit - 10000) < 0 && errno == EDQUOT);
	CHECK(close(a) == 0 && close(fd) == 0);
	CHECK(unlink("b") == 0);
}

/* The kernel tells of the last close, and forgets, behind the caller's back. */
static void wait_until_free(void)
{
	int fd = make("free", O_WRONLY);

	for (int i = 0; i < 2000 && ftruncate(fd, limit) < 0; i++)
		(void)usleep(10000);
	CHECK(size_of(fd) == limit);
	CHECK(close(fd) == 0);
	CHECK(unlink("free") == 0);
}

static void what_is_mapped_is_counted_by_its_size(void)
{
	int fd = make("a", O_RDWR);
	char *map;

	CHECK(ftruncate(fd, limit) == 0);
	map = mmap(NULL, (size_t)limit, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memset(map, 'm', (size_t)limit);
	CHECK(msync(map, (size_t)limit, MS_SYNC) == 0);
	CHECK(munmap(map, (size_t)limit) == 0);
	CHECK(pread(fd, block, 1, limit - 1) == 1 && block[0] == 'm');
	CHECK(pwrite(fd, block, 1, limit) < 0 && errno == EDQUOT);
	CHECK(close(fd) == 0);
	CHECK(unlink("a") == 0);
}

/* Many at a time: not a byte more than there is, nor one less. */
static _Atomic long written;

static void *writer(void *arg)
{
	char name[16];
	int fd, err;
	long n;

	(void)snprintf(name, sizeof(name), "w%ld", (long)(intptr_t)arg);
	fd = make(name, O_WRONLY);
	while ((n = write(fd, block, 777)) > 0)
		atomic_fetch_add(&written, n);
	err = errno;
	CHECK(n < 0 && err == EDQUOT);
	CHECK(close(fd) == 0);
	return NULL;
}

static void many_writers_share_it(void)
{
	pthread_t threads[4];
	char name[16];

	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, writer, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(written == limit);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		CHECK(unlink(name) == 0);
	}
}

static void *creator(void *arg)
{
	long made = 0;
	char name[32];
	int err;

	for (int i = 0;; i++) {
		int fd;

		(void)snprintf(name, sizeof(name), "c%ld-%d", (long)(intptr_t)arg, i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		err = errno;
		if (fd < 0)
			break;
		CHECK(close(fd) == 0);
		made++;
	}
	CHECK(err == EDQUOT);
	return (void *)(intptr_t)made;
}

static void files_stop_at_their_limit(long files)
{
	pthread_t threads[4];
	void *made;
	long sum = 0;

	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, creator, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < 4; i++) {
		CHECK(pthread_join(threads[i], &made) == 0);
		sum += (long)(intptr_t)made;
	}
	CHECK(sum == files);
	CHECK(mknod("node", S_IFREG | 0644, 0) < 0 && errno == EDQUOT);
	CHECK(mkdir("dir", 0755) == 0); /* does not count */
	CHECK(unlink("c0-0") == 0 || unlink("c1-0") == 0 || unlink("c2-0") == 0 ||
	      unlink("c3-0") == 0);
	CHECK(mknod("node", S_IFREG | 0644, 0) == 0);
	CHECK(link("node", "node2") == 0); /* the same file */
	CHECK(unlink("node2") == 0);
	CHECK(rename("node", "dir/node") == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 4);
	top = argv[1];
	limit = atol(argv[2]);
	CHECK(chdir(top) == 0);
	write_stops_at_the_limit(O_WRONLY);
	write_stops_at_the_limit(O_RDWR);
	two_files_share_it();
	holes_count();
	fallocate_counts();
	copies_count();
	what_is_mapped_is_counted_by_its_size();
	nameless_files_count();
	wait_until_free();
	many_writers_share_it();
	files_stop_at_their_limit(atol(argv[3]));
	return posix_failures != 0;
}
