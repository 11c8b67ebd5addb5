/* SPDX-License-Identifier: MIT */
/*
 * Random operations on one file, each compared with the same operation on an array: reads, writes, mappings,
 * truncation, holes, copies, closing and opening again with other flags. Arguments: steps, seed.
 */
#include "posix.h"

#include <linux/falloc.h>
#include <sys/mman.h>

#define MAX (256 * 1024)
#define PAGE 4096

static unsigned char model[MAX];
static size_t size; /* of the model; beyond it the array is 0 */
static unsigned char buf[MAX];
static int fd = -1;
static int flags;
static long step;

static uint32_t pick(uint32_t n)
{
	return n ? (uint32_t)random() % n : 0;
}

/* Part of the file, at least one byte, within MAX. */
static void pick_range(size_t *off, size_t *len)
{
	*off = pick(MAX - 1);
	*len = 1 + pick((uint32_t)(pick(4) ? 8192 : MAX));
	if (*len > MAX - *off)
		*len = MAX - *off;
	if (flags & O_DIRECT || pick(8) == 0) {
		*off &= ~(size_t)(PAGE - 1);
		*len = (*len + PAGE - 1) & ~(size_t)(PAGE - 1);
	}
}

static void grow(size_t to)
{
	if (to > size)
		size = to;
}

static void fill_buf(size_t len)
{
	unsigned char c = (unsigned char)step;

	for (size_t i = 0; i < len; i++)
		buf[i] = (unsigned char)(c + i * 7);
}

static void do_read(void)
{
	static unsigned char got[MAX] __attribute__((aligned(PAGE)));
	size_t off;
	size_t len;
	size_t expected;
	ssize_t n;

	pick_range(&off, &len);
	expected = off >= size ? 0 : size - off < len ? size - off : len;
	n = pread(fd, got, len, (off_t)off);
	CHECK_EQ(expected, n);
	CHECK(memcmp(got, model + off, expected) == 0);
}

static void do_write(void)
{
	static unsigned char aligned[MAX] __attribute__((aligned(PAGE)));
	size_t off;
	size_t len;

	pick_range(&off, &len);
	fill_buf(len);
	memcpy(aligned, buf, len);
	if (flags & O_APPEND) {
		off = size;
		if (off + len > MAX)
			return;
	}
	CHECK_EQ(len, pwrite(fd, aligned, len, (off_t)off));
	memcpy(model + off, buf, len);
	grow(off + len);
}

static void do_map(bool writing)
{
	size_t off;
	size_t len;
	unsigned char *map;

	pick_range(&off, &len);
	if (size == 0)
		return;
	off %= size;
	len = len > size - off ? size - off : len;
	map = mmap(NULL, size, writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	CHECK(memcmp(map + off, model + off, len) == 0);
	if (writing) {
		fill_buf(len);
		memcpy(map + off, buf, len);
		memcpy(model + off, buf, len);
		if (pick(2))
			CHECK(msync(map, size, MS_SYNC) == 0);
	}
	CHECK(munmap(map, size) == 0);
}

static void set_size(size_t to)
{
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void do_truncate(void)
{
	size_t to = pick(MAX);

	CHECK((pick(2) ? ftruncate(fd, (off_t)to) : truncate("file", (off_t)to)) == 0);
	set_size(to);
}

static void do_punch(int mode)
{
	size_t off;
	size_t len;

	pick_range(&off, &len);
	if (fallocate(fd, mode, (off_t)off, (off_t)len) < 0) {
		CHECK_EQ(EOPNOTSUPP, errno);
		return;
	}
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(model + off, 0, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(off + len);
}

static void do_collapse(void)
{
	size_t off = pick(MAX) & ~(size_t)(PAGE - 1);
	size_t len = PAGE * (1 + pick(8));

	if (off + len >= size)
		return;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)off, (off_t)len) < 0) {
		CHECK_EQ(EOPNOTSUPP, errno);
		return;
	}
	memmove(model + off, model + off + len, size - off - len);
	memset(model + size - len, 0, len);
	size -= len;
}

static void do_copy(void)
{
	off_t in;
	off_t out;
	size_t from;
	size_t to;
	size_t len;

	if (flags & (O_APPEND | O_DIRECT) || size == 0)
		return;
	from = pick((uint32_t)size);
	to = pick(MAX);
	len = 1 + pick(16384);
	len = len > size - from ? size - from : len;
	len = len > MAX - to ? MAX - to : len;
	if (from < to + len && to < from + len)
		return;
	in = (off_t)from;
	out = (off_t)to;
	CHECK_EQ(len, copy_file_range(fd, &in, fd, &out, len, 0));
	memmove(model + to, model + from, len);
	grow(to + len);
}

static void do_reopen(void)
{
	static const int choices[] = { 0, 0, 0, O_APPEND, O_DIRECT, O_TRUNC, O_SYNC };

	if (fd >= 0)
		CHECK(close(fd) == 0);
	flags = choices[pick(sizeof(choices) / sizeof(choices[0]))];
	fd = open("file", O_RDWR | O_CREAT | flags, 0644);
	if (fd < 0 && flags & O_DIRECT) {
		flags = 0;
		fd = open("file", O_RDWR);
	}
	CHECK(fd >= 0);
	if (flags & O_TRUNC)
		set_size(0);
	flags &= ~O_TRUNC;
}

/* The size, and all of the content through another descriptor. */
static void check_whole(void)
{
	int other = open("file", O_RDONLY);

	CHECK_EQ(size, fstat_of(fd).st_size);
	CHECK_EQ(size, read(other, buf, sizeof(buf)));
	CHECK(memcmp(buf, model, size) == 0);
	CHECK(close(other) == 0);
}

static void one_step(void)
{
	switch (pick(16)) {
	case 0:
	case 1:
	case 2:
		do_read();
		break;
	case 3:
	case 4:
	case 5:
		do_write();
		break;
	case 6:
	case 7:
		do_map(false);
		break;
	case 8:
		do_map(true);
		break;
	case 9:
		do_truncate();
		break;
	case 10:
		do_punch(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case 11:
		do_punch(pick(2) ? FALLOC_FL_ZERO_RANGE
				 : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
		break;
	case 12:
		do_punch(pick(2) ? 0 : FALLOC_FL_KEEP_SIZE);
		break;
	case 13:
		do_collapse();
		break;
	case 14:
		do_copy();
		break;
	default:
		do_reopen();
	}
}

int main(int argc, char **argv)
{
	long steps = argc > 1 ? strtol(argv[1], NULL, 10) : 3000;
	unsigned int seed = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 1;

	srandom(seed);
	do_reopen();
	for (step = 0; step < steps && !posix_failures; step++) {
		one_step();
		if (step % 20 == 0)
			check_whole();
	}
	check_whole();
	if (posix_failures)
		printf("seed %u, step %ld, flags %#o\n", seed, step, (unsigned int)flags);
	CHECK(close(fd) == 0);
	CHECK(unlink("file") == 0);
	return posix_status();
}
