/* SPDX-License-Identifier: MIT */
/*
 * Hashes of contents, beside what the mount says.
 *
 *     seal_sum of FILE              print it
 *     seal_sum hold FILE            map it for writing, close it, say "mapped"; at the end of stdin write and unmap
 *     seal_sum race FILE SECONDS    change it in every way there is; after each, the mount's is the content's
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define TEXT_SIZE 33
#define SIZE_MAX_FILE (3u << 20)

/* Each takes a quarter of a second, for as long the daemon looks itself. */
#define TELL_TRIES 80

static uint8_t buffer[SIZE_MAX_FILE];

static void fail(const char *what)
{
	fprintf(stderr, "seal_sum: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(path);
	return fd;
}

static void sum_of(const char *path, char text[TEXT_SIZE])
{
	int fd = open_file(path, O_RDONLY);
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t c;
	ssize_t n;

	(void)XXH3_128bits_reset(state);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		(void)XXH3_128bits_update(state, buffer, (size_t)n);
	if (n < 0)
		fail("read");
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(state));
	(void)XXH3_freeState(state);
	(void)close(fd);
	for (size_t i = 0; i < sizeof(c.digest); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", c.digest[i]);
}

static void hold(const char *path)
{
	int fd = open_file(path, O_RDWR);
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		fail("mmap");
	(void)close(fd);
	map[0]++; /* from now on no fault tells anybody of a write */
	(void)puts("mapped");
	(void)fflush(stdout);
	(void)!read(0, buffer, 1);
	map[1]++;
	(void)munmap(map, 4096);
}

/* ---- race ---- */

static unsigned int seed;

static uint64_t random_up_to(uint64_t n)
{
	return (uint64_t)rand_r(&seed) % n;
}

static void fill(size_t n)
{
	uint64_t x = random_up_to(UINT32_MAX);

	for (size_t i = 0; i + 8 <= n; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(buffer + i, &x, 8);
	}
}

static void rewrite(const char *path, int flags)
{
	size_t n = random_up_to(sizeof(buffer) - 1) + 1;
	int fd = open_file(path, O_WRONLY | O_CREAT | flags);

	fill(n);
	for (size_t at = 0; at < n; at += 65536) {
		size_t len = n - at < 65536 ? n - at : 65536;

		if (write(fd, buffer + at, len) != (ssize_t)len)
			fail("write");
	}
	(void)close(fd);
}

static void poke(const char *path)
{
	int fd = open_file(path, O_WRONLY);
	uint64_t word = random_up_to(UINT32_MAX);

	if (pwrite(fd, &word, sizeof(word), (off_t)random_up_to(SIZE_MAX_FILE)) != sizeof(word))
		fail("pwrite");
	(void)close(fd);
}

/* Written behind the last close. */
static void poke_map(const char *path)
{
	int fd = open_file(path, O_RDWR);
	struct stat st;
	uint8_t *map;

	if (fstat(fd, &st) < 0)
		fail("fstat");
	if (st.st_size == 0) {
		(void)close(fd);
		return;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	(void)close(fd);
	map[random_up_to((uint64_t)st.st_size)]++;
	map[random_up_to((uint64_t)st.st_size)]++;
	(void)munmap(map, (size_t)st.st_size);
}

static void copy(const char *path)
{
	int from = open_file(path, O_RDONLY);
	int to = open_file(path, O_WRONLY);
	off_t in = 0;
	off_t out = SIZE_MAX_FILE;

	if (copy_file_range(from, &in, to, &out, 65536, 0) < 0)
		fail("copy_file_range");
	(void)close(to);
	(void)close(from);
}

static void punch(const char *path)
{
	int fd = open_file(path, O_RDWR);

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)random_up_to(SIZE_MAX_FILE), 8192) < 0)
		fail("fallocate");
	(void)close(fd);
}

static void change(const char *path)
{
	switch (random_up_to(9)) {
	case 0:
		rewrite(path, O_TRUNC);
		break;
	case 1:
		rewrite(path, 0);
		break;
	case 2:
		rewrite(path, O_APPEND | O_TRUNC);
		break;
	case 3:
		if (truncate(path, (off_t)random_up_to(SIZE_MAX_FILE)) < 0)
			fail("truncate");
		break;
	case 4:
		(void)close(open_file(path, O_RDONLY | O_TRUNC)); /* it does, though for reading */
		break;
	case 5:
		poke_map(path);
		break;
	case 6:
		copy(path);
		break;
	case 7:
		punch(path);
		break;
	default:
		poke(path);
	}
}

/* There is none until the daemon knows of the close, which the kernel tells it behind the caller's back. */
static void told_of(const char *path, char text[TEXT_SIZE])
{
	memset(text, 0, TEXT_SIZE);
	for (int i = 0; getxattr(path, "user.baton.xxh3", text, TEXT_SIZE) < 0; i++) {
		if (errno != ENODATA || i == TELL_TRIES)
			fail("getxattr");
		(void)usleep(1000);
	}
}

static void race(const char *path, int64_t seconds)
{
	char want[TEXT_SIZE];
	char got[TEXT_SIZE];
	time_t end = time(NULL) + seconds;
	unsigned int n = 0;
	int pause;

	seed = (unsigned int)getpid();
	rewrite(path, O_TRUNC);
	while (time(NULL) < end) {
		change(path);
		pause = (int)random_up_to(4) *
			30000; /* hashed by itself meanwhile, or not, or half */
		if (pause)
			(void)usleep((useconds_t)pause);
		if (random_up_to(2))
			change(path);
		told_of(path, got);
		sum_of(path, want);
		if (strcmp(want, got) != 0) {
			fprintf(stderr, "seal_sum: change %u: %s is %s\n", n, want, got);
			exit(1);
		}
		n++;
	}
	printf("%u changes\n", n);
}

int main(int argc, char **argv)
{
	char text[TEXT_SIZE];

	if (argc == 3 && strcmp(argv[1], "of") == 0) {
		sum_of(argv[2], text);
		(void)puts(text);
	} else if (argc == 3 && strcmp(argv[1], "hold") == 0) {
		hold(argv[2]);
	} else if (argc == 4 && strcmp(argv[1], "race") == 0) {
		race(argv[2], atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: see the source\n");
		return 2;
	}
	return 0;
}
