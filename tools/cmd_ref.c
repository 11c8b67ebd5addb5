/* SPDX-License-Identifier: MIT */
/*
 * baton ref PATH: what to send instead of the bytes. One line of JSON:
 *
 *     {"path":"/data/tmp/4711/input.bin","size":104857600,"execution":"4711","ino":33,"mtime":1790000010.5,
 *      "xxh3":"99aa06d3014798d86001c324468d497f"}
 *
 * without the last for a file that is open for writing. It needs no mountpoint: the file's own attribute says whose it is.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "baton/interface.h"
#include "client.h"
#include "say.h"
#include "util/cleanup.h"

/* Longest line, bytes with its newline. Source: the promise that a reference is under 1 KB. */
#define REF_MAX 1023

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

/* The hash of its content; waits for it. 0 also if there is none. */
static int add_hash(json_t *ref, const char *path)
{
	char hash[64];
	ssize_t n = getxattr(path, BATON_XATTR_PREFIX "xxh3", hash, sizeof(hash) - 1);

	if (n < 0 && (errno == ENOENT || errno == EIO || errno == ENOTCONN))
		return errno;
	if (n < 0) /* open for writing, too many ask, no leases for the daemon, an older one */
		return 0;
	hash[n] = '\0';
	return json_object_set_new(ref, "xxh3", json_string(hash)) < 0 ? ENOMEM : 0;
}

enum baton_exit cmd_ref(const struct invocation *inv)
{
	const char *path = inv->argv[0];
	_cleanup_free_ char *real = realpath(path, NULL);
	_cleanup_json_ json_t *ref = NULL;
	_cleanup_free_ char *line = NULL;
	char execution[BATON_ID_MAX + 2];
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

	ref = json_pack("{s:s, s:I, s:s, s:I, s:f}", "path", real, "size", (json_int_t)st.st_size,
			"execution", execution, "ino", (json_int_t)st.st_ino, "mtime",
			(double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec);
	if (!ref)
		return refuse(path, "its name is not UTF-8, which JSON needs: rename it");
	err = add_hash(ref, real);
	if (err)
		return refuse(path, strerror(err));
	line = json_dumps(ref, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!line)
		return refuse(path, strerror(ENOMEM));
	if (strlen(line) + 1 > REF_MAX)
		return refuse(path, "its reference would not fit in 1 KB: use a shorter path");
	(void)puts(line); /* with or without --json */
	return BATON_OK;
}
