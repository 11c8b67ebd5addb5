/* SPDX-License-Identifier: MIT */
/*
 * References as `baton ref` prints them. Others may have added to them.
 */
#include "reference.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "baton/interface.h"
#include "client.h"
#include "progress.h"
#include "say.h"
#include "util/cleanup.h"

/* Longest reference, bytes. Source: `baton ref` makes none of more than 1 KB; others may add to it. */
#define INPUT_MAX 65536

static json_t *parse(const char *arg)
{
	char text[INPUT_MAX];
	size_t n;

	if (strcmp(arg, "-") != 0)
		return json_loads(arg, JSON_REJECT_DUPLICATES, NULL);
	n = fread(text, 1, sizeof(text), stdin);
	return json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
}

static enum baton_exit fails(const char *command, const char *path, const char *why)
{
	say_error("%s %s: %s", command, path, why);
	return BATON_FAILED;
}

/* It may be so all the same. Of a path that leads nowhere it is known. */
static enum baton_exit cannot_tell(const char *command, const char *path, int err)
{
	enum baton_exit code = fails(command, path, strerror(err));

	return err == ENOENT || err == ENOTDIR ? code : BATON_UNKNOWN;
}

/* Other filesystems know no attribute of an execution; a path may lead there when nothing is mounted. */
static bool is_on_batonfs(const char *path)
{
	return getxattr(path, BATON_XATTR_PREFIX "execution", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/* Or what is wrong has been printed. */
static enum baton_exit check_file(const char *command, const char *path, const json_t *ref)
{
	const json_t *size = json_object_get(ref, "size");
	char why[SAY_MAX];
	struct stat st;

	if (stat(path, &st) < 0)
		return cannot_tell(command, path, errno);
	if (!S_ISREG(st.st_mode))
		return fails(command, path, "not a regular file");
	if (!is_on_batonfs(path))
		return fails(command, path, "not on a batonfs");
	if (!json_is_integer(size))
		return fails(command, path, "the reference has no size");
	if (json_integer_value(size) != st.st_size) {
		(void)snprintf(why, sizeof(why),
			       "has %" PRId64 " bytes, the reference says %" PRId64,
			       (int64_t)st.st_size, (int64_t)json_integer_value(size));
		return fails(command, path, why);
	}
	return BATON_OK;
}

static bool look_at_hash(void *arg, struct progress_view *ret)
{
	const char *path = arg;
	char text[32];
	struct stat st;
	ssize_t n = getxattr(path, BATON_XATTR_PREFIX "hashed", text, sizeof(text) - 1);

	if (n < 0 || stat(path, &st) < 0)
		return false; /* others are first, or an older daemon */
	text[n] = '\0';
	*ret = (struct progress_view){ .what = "hashing",
				       .done = strtoull(text, NULL, 10),
				       .whole = (uint64_t)st.st_size };
	return true;
}

ssize_t reference_ask_hash(const char *path, char *hash, size_t len)
{
	struct progress_clock clock;
	ssize_t n;
	int err;

	progress_clock_look(&clock, "hashing", look_at_hash, (void *)(uintptr_t)path);
	do
		n = getxattr(path, BATON_XATTR_PREFIX "xxh3", hash, len);
	while (n < 0 && errno == EINTR);
	err = errno;
	progress_clock_end(&clock);
	errno = err;
	return n;
}

static enum baton_exit check_hash(const char *command, const char *path, const char *expected)
{
	char hash[64];
	char why[SAY_MAX];
	ssize_t n;

	n = reference_ask_hash(path, hash, sizeof(hash) - 1);
	if (n < 0 && errno == ENODATA) {
		(void)fails(command, path, "open for writing: its content may still change");
		return BATON_UNKNOWN;
	}
	if (n < 0)
		return cannot_tell(command, path, errno);
	hash[n] = '\0';
	if (strcmp(hash, expected) == 0)
		return BATON_OK;
	(void)snprintf(why, sizeof(why), "its hash is %s, the reference says %.40s", hash,
		       expected);
	return fails(command, path, why);
}

const char *reference_path(const json_t *ref)
{
	return json_string_value(json_object_get(ref, "path"));
}

const char *reference_hash(const json_t *ref)
{
	return json_string_value(json_object_get(ref, "xxh3"));
}

enum baton_exit reference_parse(const char *command, const char *arg, json_t **ret)
{
	_cleanup_json_ json_t *ref = parse(arg);

	if (!reference_path(ref) || (json_object_get(ref, "xxh3") && !reference_hash(ref))) {
		say_error("%s: not a reference: it is a JSON object, as `baton ref` prints it",
			  command);
		return BATON_USAGE;
	}
	*ret = TAKE_PTR(ref);
	return BATON_OK;
}

enum baton_exit reference_check(const char *command, const json_t *ref)
{
	const char *hash = reference_hash(ref);
	enum baton_exit code = check_file(command, reference_path(ref), ref);

	if (code == BATON_OK && hash)
		code = check_hash(command, reference_path(ref), hash);
	return code;
}
