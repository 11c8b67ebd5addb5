/* SPDX-License-Identifier: MIT */
/*
 * baton verify REFERENCE: whether the file that a reference of `baton ref` names is still what it was.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "baton/interface.h"
#include "client.h"
#include "field.h"
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

static enum baton_exit fails(const char *path, const char *why)
{
	say_error("verify %s: %s", path, why);
	return BATON_FAILED;
}

/* Other filesystems know no attribute of an execution; a path may lead there when nothing is mounted. */
static bool is_on_batonfs(const char *path)
{
	return getxattr(path, BATON_XATTR_PREFIX "execution", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/* 0, or what is wrong has been printed. */
static enum baton_exit check_file(const char *path, const json_t *ref)
{
	const json_t *size = json_object_get(ref, "size");
	char why[SAY_MAX];
	struct stat st;

	if (stat(path, &st) < 0)
		return fails(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fails(path, "not a regular file");
	if (!is_on_batonfs(path))
		return fails(path, "not on a batonfs");
	if (!json_is_integer(size))
		return fails(path, "the reference has no size");
	if (json_integer_value(size) != st.st_size) {
		(void)snprintf(why, sizeof(why),
			       "has %" PRId64 " bytes, the reference says %" PRId64,
			       (int64_t)st.st_size, (int64_t)json_integer_value(size));
		return fails(path, why);
	}
	return BATON_OK;
}

static enum baton_exit check_hash(const char *path, const char *expected)
{
	char hash[64];
	char why[SAY_MAX];
	ssize_t n;

	do
		n = getxattr(path, BATON_XATTR_PREFIX "xxh3", hash, sizeof(hash) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ENODATA)
		return fails(path, "open for writing: its content may still change");
	if (n < 0)
		return fails(path, strerror(errno));
	hash[n] = '\0';
	if (strcmp(hash, expected) == 0)
		return BATON_OK;
	(void)snprintf(why, sizeof(why), "its hash is %s, the reference says %.40s", hash,
		       expected);
	return fails(path, why);
}

static void print_result(const struct invocation *inv, const json_t *ref, bool hashed)
{
	const char *path = field_text(ref, "path");
	char usage[SAY_MAX];
	_cleanup_json_ json_t *result = NULL;

	if (!inv->json) {
		(void)printf("%s: %s, %s\n", path,
			     say_usage(1, field_int(ref, "size"), usage, sizeof(usage)),
			     hashed ? "unchanged"
				    : "of the right size (the reference has no hash)");
		return;
	}
	result = json_pack("{s:s, s:I, s:b, s:b}", "path", path, "size",
			   (json_int_t)field_int(ref, "size"), "verified", 1, "hash", hashed);
	client_print_json(result);
}

enum baton_exit cmd_verify(const struct invocation *inv)
{
	_cleanup_json_ json_t *ref = parse(inv->argv[0]);
	const json_t *xxh3 = json_object_get(ref, "xxh3");
	const char *path;
	const char *hash;
	enum baton_exit code;

	path = json_string_value(json_object_get(ref, "path"));
	hash = json_string_value(xxh3);
	if (!path || (xxh3 && !hash)) {
		say_error("verify: not a reference: it is a JSON object, as `baton ref` prints it");
		return BATON_USAGE;
	}
	code = check_file(path, ref);
	if (code == BATON_OK && hash)
		code = check_hash(path, hash);
	if (code == BATON_OK)
		print_result(inv, ref, hash != NULL);
	return code;
}
