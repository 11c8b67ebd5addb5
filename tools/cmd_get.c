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
#include "part.h"
#include "reference.h"
#include "say.h"
#include "transfer.h"
#include "util/cleanup.h"

static enum baton_exit fails(const char *what, int err)
{
	say_error("get %s: %s", what, strerror(err));
	return BATON_FAILED;
}

static enum baton_exit copy_to_stdout(const json_t *ref, int from)
{
	uint64_t bytes;
	int r = transfer(from, STDOUT_FILENO, &bytes);

	return r < 0 ? fails("standard output", -r) : reference_check("get", ref);
}

/* What is there stays until it is known that this is what was asked for. */
static enum baton_exit copy_to_file(const json_t *ref, int from, const char *file)
{
	_cleanup_(part_drop) struct part part = PART_NONE;
	enum baton_exit code;
	uint64_t bytes;
	int r = part_open(&part, file);

	if (r == 0)
		r = transfer_to_part(from, &part, &bytes);
	if (r < 0)
		return fails(file, -r);
	code = reference_check("get", ref);
	if (code == BATON_OK)
		r = part_commit(&part);
	return r < 0 ? fails(file, -r) : code;
}

static void print_result(const json_t *ref, const char *file)
{
	_cleanup_json_ json_t *result =
		json_pack("{s:s, s:o, s:O, s:b, s:b}", "path", reference_path(ref), "file",
			  client_json_bytes(file), "size", json_object_get(ref, "size"), "verified",
			  1, "hash", reference_hash(ref) != NULL);

	client_print_json(result);
}

enum baton_exit cmd_get(const struct invocation *inv)
{
	const char *file = inv->argc > 1 && strcmp(inv->argv[1], "-") != 0 ? inv->argv[1] : NULL;
	_cleanup_json_ json_t *ref = NULL;
	_cleanup_close_ int from = -1;
	enum baton_exit code;

	if (inv->json && !file) {
		say_error("get: the content would be among the JSON: say where to");
		return BATON_USAGE;
	}
	code = reference_parse("get", inv->argv[0], &ref);
	if (code == BATON_OK)
		code = reference_check("get", ref);
	if (code != BATON_OK)
		return code;
	from = open(reference_path(ref), O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return fails(reference_path(ref), errno);
	code = file ? copy_to_file(ref, from, file) : copy_to_stdout(ref, from);
	if (code == BATON_OK && inv->json)
		print_result(ref, file);
	return code;
}
