/* SPDX-License-Identifier: MIT */
/*
 * baton get REFERENCE: the content of the file that a reference names, to stdout or a file; only what the reference
 * speaks of. It is checked before, so that nothing else is begun, and again behind the last byte: a file that was
 * changed meanwhile is another one.
 */
#include "baton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "reference.h"
#include "say.h"
#include "transfer.h"
#include "util/cleanup.h"

static enum baton_exit fails(const char *what, int err)
{
	say_error("get %s: %s", what, strerror(err));
	return BATON_FAILED;
}

/* To `file`, or to stdout if that is NULL. */
static enum baton_exit copy(const char *path, const char *file)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes;
	int r;

	if (from < 0)
		return fails(path, errno);
	r = file ? transfer_to_file(from, AT_FDCWD, file, &bytes)
		 : transfer(from, STDOUT_FILENO, &bytes);
	return r < 0 ? fails(file ? file : "standard output", -r) : BATON_OK;
}

static void print_result(const json_t *ref, const char *file)
{
	_cleanup_json_ json_t *result =
		json_pack("{s:s, s:s, s:O, s:b, s:b}", "path", reference_path(ref), "file", file,
			  "size", json_object_get(ref, "size"), "verified", 1, "hash",
			  reference_hash(ref) != NULL);

	client_print_json(result);
}

enum baton_exit cmd_get(const struct invocation *inv)
{
	const char *file = inv->argc > 1 && strcmp(inv->argv[1], "-") != 0 ? inv->argv[1] : NULL;
	_cleanup_json_ json_t *ref = NULL;
	enum baton_exit code;

	if (inv->json && !file) {
		say_error("get: the content would be among the JSON: say where to");
		return BATON_USAGE;
	}
	code = reference_parse("get", inv->argv[0], &ref);
	if (code == BATON_OK)
		code = reference_check("get", ref);
	if (code == BATON_OK)
		code = copy(reference_path(ref), file);
	if (code != BATON_OK)
		return code;
	code = reference_check("get", ref);
	if (code != BATON_OK && file)
		(void)unlink(file); /* not what was asked for */
	else if (code == BATON_OK && inv->json)
		print_result(ref, file);
	return code;
}
