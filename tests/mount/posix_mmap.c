/* SPDX-License-Identifier: MIT */
/* Mappings: shared between processes, coherent with read and write, and the times they leave behind. */
#include "posix.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#define K 4096

static char *map_shared(const char *path, int prot, size_t len)
{
	int fd = open(path, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	char *map = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	CHECK(fd >= 0);
	CHECK(map != MAP_FAILED);
	CHECK(close(fd) == 0);
	return map;
}

static void sized_file(const char *path, off_t size)
{
	make_file(path, 0644, "");
	CHECK(truncate(path, size) == 0);
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

static void write_at_page_2(const char *path)
{
	char *map = map_shared(path, PROT_READ | PROT_WRITE, 4 * K);

	memcpy(map + 2 * K, "from the child", 15);
	CHECK(munmap(map, 4 * K) == 0);
}

static void two_processes_share_pages(void)
{
	char *map;
	char got[15];
	int fd;

	sized_file("shared", 4 * K);
	map = map_shared("shared", PROT_READ | PROT_WRITE, 4 * K);
	CHECK_EQ(0, map[2 * K]);
	as_user(0, 0, 0, write_at_page_2, "shared");
	CHECK(strcmp(map + 2 * K, "from the child") == 0);
	fd = open("shared", O_RDWR);
	CHECK(pread(fd, got, sizeof(got), 2 * K) == sizeof(got));
	CHECK(strcmp(got, "from the child") == 0);
	map[3 * K] = 'm'; /* seen by read(2) without msync */
	CHECK(pread(fd, got, 1, 3 * K) == 1);
	CHECK_EQ('m', got[0]);
	CHECK(pwrite(fd, "w", 1, 3 * K) == 1); /* and the other way round */
	CHECK_EQ('w', map[3 * K]);
	CHECK(close(fd) == 0);
	CHECK(msync(map, 4 * K, MS_SYNC) == 0);
	CHECK(munmap(map, 4 * K) == 0);
	CHECK(unlink("shared") == 0);
}

static void a_mapping_outlives_name_and_descriptor(void)
{
	char *map;

	sized_file("gone", K);
	map = map_shared("gone", PROT_READ | PROT_WRITE, K);
	map[0] = 'x';
	CHECK(unlink("gone") == 0);
	map[1] = 'y';
	CHECK(msync(map, K, MS_SYNC) == 0);
	CHECK_EQ('x', map[0]);
	CHECK_EQ('y', map[1]);
	CHECK(munmap(map, K) == 0);
}

static void a_private_mapping_keeps_to_itself(void)
{
	int fd;
	char *map;

	make_file("private", 0644, "original");
	fd = open("private", O_RDONLY);
	map = mmap(NULL, K, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	map[0] = 'X';
	CHECK(holds("private", "original"));
	CHECK(munmap(map, K) == 0);
	CHECK(mmap(NULL, K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
	      errno == EACCES);
	CHECK(close(fd) == 0);
	CHECK(unlink("private") == 0);
}

static sigjmp_buf beyond;

static void bus_error(int signo)
{
	(void)signo;
	siglongjmp(beyond, 1);
}

static void beyond_the_end_is_sigbus(void)
{
	volatile bool hit = false;
	char *map;

	sized_file("short", 2 * K);
	map = map_shared("short", PROT_READ | PROT_WRITE, 2 * K);
	map[K] = '1';
	CHECK(truncate("short", K) == 0);
	(void)signal(SIGBUS, bus_error);
	if (sigsetjmp(beyond, 1) == 0)
		(void)*(volatile char *)(map + K);
	else
		hit = true;
	(void)signal(SIGBUS, SIG_DFL);
	CHECK(hit);
	CHECK(truncate("short", 2 * K) == 0);
	CHECK_EQ(0, map[K]);
	CHECK(munmap(map, 2 * K) == 0);
	CHECK(unlink("short") == 0);
}

static int64_t mtime_ns(const char *path)
{
	struct stat st = stat_of(path);

	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* A write through a mapping changes the times, even long after the descriptor was closed; also of a file with two names. */
static void writing_through_a_mapping_changes_mtime(bool linked)
{
	int64_t before;
	int64_t between;
	char *map;
	int fd;

	sized_file("times", 3 * K);
	CHECK(!linked || link("times", "times_too") == 0);
	fd = open("times", O_RDWR);
	map = mmap(NULL, 3 * K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	before = mtime_ns("times");
	nap();
	map[0] = '1';
	CHECK(msync(map, 3 * K, MS_SYNC) == 0);
	between = mtime_ns("times");
	CHECK(between > before);
	CHECK(close(fd) == 0);
	CHECK_EQ(between, mtime_ns("times"));
	nap();
	map[K] = '2';
	CHECK(msync(map, 3 * K, MS_SYNC) == 0);
	CHECK(mtime_ns("times") > between);
	between = mtime_ns("times");
	nap();
	map[2 * K] = '3'; /* not a page that is dirty already: tmpfs would not see it */
	CHECK(munmap(map, 3 * K) == 0);
	fd = open("times", O_RDONLY);
	CHECK(fsync(fd) == 0);
	CHECK(mtime_ns("times") > between);
	CHECK(close(fd) == 0);
	between = mtime_ns("times");
	nap();
	CHECK_EQ(between, mtime_ns("times")); /* and then it stays */
	CHECK(unlink("times") == 0 && (!linked || unlink("times_too") == 0));
}

/* The way of a hand-off: written by one process, closed, mapped by another that knows the path only. */
static void check_content(const char *path)
{
	char *map = map_shared(path, PROT_READ, 1 << 20);
	int bad = 0;

	for (int i = 0; i < 1 << 20; i++)
		bad += map[i] != (char)('a' + i / K % 26);
	CHECK_EQ(0, bad);
	CHECK(munmap(map, 1 << 20) == 0);
}

static void written_then_mapped(void)
{
	static char chunk[64 * K / 4];

	for (int round = 0; round < 3; round++) {
		int fd = open("handed", O_WRONLY | O_CREAT | O_TRUNC, 0644);

		for (int off = 0; off < 1 << 20; off += (int)sizeof(chunk)) {
			for (int i = 0; i < (int)sizeof(chunk); i++)
				chunk[i] = (char)('a' + (off + i) / K % 26);
			CHECK(write(fd, chunk, sizeof(chunk)) == sizeof(chunk));
		}
		CHECK(close(fd) == 0);
		as_user(1000, 1000, 0, check_content, "handed");
	}
	CHECK(unlink("handed") == 0);
}

int main(void)
{
	(void)umask(022);
	CHECK(chmod(".", 0755) == 0);
	two_processes_share_pages();
	a_mapping_outlives_name_and_descriptor();
	a_private_mapping_keeps_to_itself();
	beyond_the_end_is_sigbus();
	writing_through_a_mapping_changes_mtime(false);
	writing_through_a_mapping_changes_mtime(true);
	written_then_mapped();
	return posix_status();
}
