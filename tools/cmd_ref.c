/* SPDX-License-Identifier: MIT */
/*
 * baton ref PATH: what to send instead of the bytes. One line of JSON:
 *
 *     {"path":"/data/tmp/4711/input.bin","size":104857600,"execution":"4711","ino":33,"mtime":1790000010.5,
 *      "xxh3":"99aa06d3014798d86001c324468d497f"}
 *
 * without the last for a file that is open for writing, or written to again and again. It needs no mountpoint: the file's
 * own attribute says whose it is.
 */
#include "baton.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "baton/interface.h"
#include "client.h"
#include "reference.h"
#include "say.h"
#include "util/cleanup.h"
#include "util/macro.h"

/* Longest line, bytes with its newline. Source: the promise that a reference is under 1 KB. */
#define REF_MAX 1023

/* A hash and its NUL, and some. */
#define HASH_TEXT_MAX 64

/* How often a file is looked at that changes while its hash is asked for. */
#define TRIES 10

static enum baton_exit refuse(const char *path, const char *why)
{
	say_error("ref %s: %s", path, why);
	return BATON_FAILED;
}

static enum baton_exit refuse_not_baton(const char *path, int err)
{
	if (err == ENODATA || err == EOPNOTSUPP)
		return refuse(
			path,
			"not on a batonfs: send the reference of a file below its mountpoint");
	return refuse(path, strerror(err));
}

/* The hash of its content; waits for it. 0 also if there is none, which is "". */
static int read_hash(const char *path, char hash[HASH_TEXT_MAX])
{
	ssize_t n = reference_ask_hash(path, hash, HASH_TEXT_MAX - 1);

	hash[MAX_OF(n, (ssize_t)0)] = '\0';
	/* Others: open for writing, too many ask, no leases for the daemon, an older one. */
	return n < 0 && (errno == ENOENT || errno == EIO || errno == ENOTCONN) ? errno : 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What the file is, and its hash while it was that. `st` is what it was at first. */
static int describe(const char *path, struct stat *st, char hash[HASH_TEXT_MAX])
{
	for (int i = 0; i < TRIES; i++) {
		struct stat before = *st;
		int err = read_hash(path, hash);

		if (err)
			return err;
		if (stat(path, st) < 0)
			return errno;
		if (is_same(&before, st))
			return 0;
	}
	hash[0] = '\0';
	return 0;
}

enum baton_exit cmd_ref(const struct invocation *inv)
{
	const char *path = inv->argv[0];
	_cleanup_free_ char *real = realpath(path, NULL);
	_cleanup_json_ json_t *ref = NULL;
	_cleanup_free_ char *line = NULL;
	char execution[BATON_ID_MAX + 2];
	char hash[HASH_TEXT_MAX];
	struct stat st;
	ssize_t n;
	int err;

	if (!real || stat(real, &st) < 0)
		return refuse(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(path, "not a regular file");
	n = getxattr(real, BATON_XATTR_PREFIX "execution", execution, sizeof(execution) - 1);
	if (n < 0)
		return refuse_not_baton(path, errno);
	execution[n] = '\0';
	execution[strcspn(execution, "\n")] = '\0';
	err = describe(real, &st, hash);
	if (err)
		return refuse(path, strerror(err));
	if (!S_ISREG(st.st_mode))
		return refuse(path, "not a regular file any more");

	ref = json_pack("{s:s, s:I, s:s, s:I, s:f}", "path", real, "size", (json_int_t)st.st_size,
			"execution", execution, "ino", (json_int_t)st.st_ino, "mtime",
			(double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec);
	if (!ref)
		return refuse(path, "its name is not UTF-8, which JSON needs: rename it");
	if (hash[0] && json_object_set_new(ref, "xxh3", json_string(hash)) < 0)
		return refuse(path, strerror(ENOMEM));
	line = json_dumps(ref, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!line)
		return refuse(path, strerror(ENOMEM));
	if (strlen(line) + 1 > REF_MAX)
		return refuse(path, "its reference would not fit in 1 KB: use a shorter path");
	(void)puts(line); /* with or without --json */
	return BATON_OK;
}
