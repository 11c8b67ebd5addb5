/* SPDX-License-Identifier: MIT */
/*
 * A directory of blobs, and files with content, on each filesystem there is here: /tmp and a tmpfs.
 */
#ifndef TEST_BLOB_FIXTURE_H
#define TEST_BLOB_FIXTURE_H

#include "store/blob.h"

#include "scratch.h"

#define DIGITS "0123456789abcdef0123456789abcdef"

static struct {
	int blobs_fd;
	struct blobs *blobs;
} fix;

/* Called in a test, to do it on another filesystem than scratch's. */
static inline void use_directory(const char *template)
{
	scratch_teardown();
	(void)snprintf(scratch.path, sizeof(scratch.path), "%s/test-batonfs-XXXXXX", template);
	ck_assert_ptr_nonnull(mkdtemp(scratch.path));
	scratch.fd = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(scratch.fd, 0);
}

static inline void blobs_open(bool durable)
{
	fix.blobs_fd = make_dir(scratch.fd, "blobs");
	ck_assert_int_eq(blobs_new(fix.blobs_fd, durable, &fix.blobs), 0);
}

static inline void blobs_setup(void)
{
	scratch_setup();
	blobs_open(true);
}

static inline void blobs_teardown(void)
{
	blobs_free(fix.blobs);
	fix.blobs_fd = safe_close(fix.blobs_fd);
	scratch_teardown();
}

/* The same test on a tmpfs. */
static inline void blobs_on_tmpfs(void)
{
	blobs_free(fix.blobs);
	fix.blobs_fd = safe_close(fix.blobs_fd);
	use_directory("/dev/shm");
	blobs_open(false);
}

static inline uint8_t byte_at(uint64_t at, unsigned seed)
{
	return (uint8_t)(at * 31 + (at >> 12) * 7 + seed);
}

/* `len` bytes that depend on where they are and on the seed, from `at` on. */
static inline void put_bytes(int fd, uint64_t at, uint64_t len, unsigned seed)
{
	_cleanup_free_ uint8_t *buffer = malloc(len);

	ck_assert_ptr_nonnull(buffer);
	for (uint64_t i = 0; i < len; i++)
		buffer[i] = byte_at(at + i, seed);
	ck_assert_int_eq(pwrite(fd, buffer, len, (off_t)at), (ssize_t)len);
}

static inline int make_content(const char *name, uint64_t bytes, unsigned seed)
{
	int fd = make_file(scratch.fd, name, "");

	put_bytes(fd, 0, bytes, seed);
	return fd;
}

/* Whether the descriptor has just those bytes. */
static inline bool has_content(int fd, uint64_t bytes, unsigned seed)
{
	_cleanup_free_ uint8_t *buffer = malloc(bytes + 1);

	ck_assert_ptr_nonnull(buffer);
	if (pread(fd, buffer, bytes + 1, 0) != (ssize_t)bytes)
		return false;
	for (uint64_t i = 0; i < bytes; i++) {
		if (buffer[i] != byte_at(i, seed))
			return false;
	}
	return true;
}

static inline struct stat stat_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st;
}

static inline struct blob_name blob_of(int fd, const char *hash)
{
	struct blob_source source = { .fd = fd, .bytes = (uint64_t)stat_of(fd).st_size };
	struct blob_name name;

	strcpy(source.hash, hash);
	ck_assert_int_eq(blob_make(fix.blobs, &source, &name), 0);
	return name;
}

#endif
