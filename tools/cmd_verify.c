/* SPDX-License-Identifier: MIT */
/*
 * baton verify REFERENCE: whether the file that a reference of `baton ref` names is still what it was.
 */
#include "baton.h"

#include <stdbool.h>
#include <stdio.h>

#include "client.h"
#include "field.h"
#include "reference.h"
#include "say.h"

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
	_cleanup_json_ json_t *ref = NULL;
	enum baton_exit code = reference_parse("verify", inv->argv[0], &ref);

	if (code == BATON_OK)
		code = reference_check("verify", ref);
	if (code == BATON_OK)
		print_result(inv, ref, reference_hash(ref) != NULL);
	return code;
}
