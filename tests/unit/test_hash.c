/* SPDX-License-Identifier: MIT */
/*
 * The hash of a file's content, against the library's own of the same bytes.
 */
#include "seal/hash.h"

#include <xxhash.h>

#include "scratch.h"

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static bool twice(void *ctx)
{
	int *n = ctx;

	return ++*n <= 2;
}

static int make(uint64_t size)
{
	_cleanup_free_ uint8_t *bytes = malloc(size ? size : 1);
	int fd = make_file(scratch.fd, "f", "");

	for (uint64_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	for (uint64_t at = 0; at < size;) {
		ssize_t n = write(fd, bytes + at, size - at);

		ck_assert_int_gt(n, 0);
		at += (uint64_t)n;
	}
	return fd;
}

static void expected(int fd, uint64_t size, char text[HASH_TEXT_SIZE])
{
	_cleanup_free_ uint8_t *bytes = malloc(size ? size : 1);
	XXH128_canonical_t c;

	ck_assert_int_eq(pread(fd, bytes, size, 0), (ssize_t)size);
	XXH128_canonicalFromHash(&c, XXH3_128bits(bytes, size));
	hash_text(c.digest, text);
}

START_TEST(same_as_of_all_bytes_at_once)
{
	static const uint64_t sizes[] = {
		0, 1, 16, 4096, 1000003, HASH_PIECE, HASH_PIECE + 1, 2 * HASH_PIECE - 7
	};
	char want[HASH_TEXT_SIZE];
	char got[HASH_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = make(sizes[i]);
		uint8_t hash[HASH_SIZE];
		uint64_t bytes;

		ck_assert_int_eq(hash_fd(fd, always, NULL, hash, &bytes), 0);
		ck_assert_uint_eq(bytes, sizes[i]);
		hash_text(hash, got);
		expected(fd, sizes[i], want);
		ck_assert_str_eq(got, want);
		(void)close(fd);
		ck_assert_int_eq(unlinkat(scratch.fd, "f", 0), 0);
	}
}
END_TEST

/* As xxhsum -H2 prints it. */
START_TEST(empty_file_as_everybody_knows_it)
{
	int fd = make(0);
	uint8_t hash[HASH_SIZE];
	char text[HASH_TEXT_SIZE];
	uint64_t bytes;

	ck_assert_int_eq(hash_fd(fd, always, NULL, hash, &bytes), 0);
	hash_text(hash, text);
	ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
	(void)close(fd);
}
END_TEST

START_TEST(gives_up_when_told)
{
	int fd = make(3 * HASH_PIECE);
	uint8_t hash[HASH_SIZE];
	uint64_t bytes;
	int n = 0;

	ck_assert_int_eq(hash_fd(fd, twice, &n, hash, &bytes), -ECANCELED);
	ck_assert_int_eq(n, 3);
	(void)close(fd);
}
END_TEST

START_TEST(error_of_reading_is_told)
{
	uint8_t hash[HASH_SIZE];
	uint64_t bytes;

	ck_assert_int_eq(hash_fd(scratch.fd, always, NULL, hash, &bytes), -EISDIR);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		same_as_of_all_bytes_at_once,
		empty_file_as_everybody_knows_it,
		gives_up_when_told,
		error_of_reading_is_told,
	};

	return RUN_TESTS("hash", tests, scratch_setup, scratch_teardown);
}
