/* SPDX-License-Identifier: MIT */
/* A reference, as the next program of a workflow gets it: it has a path, or there is none. */
#include "fuzz_target.h"

#include "../../tools/progress.c"
#include "../../tools/reference.c"
#include "../../tools/say.c"

void fuzz_reference(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	_cleanup_json_ json_t *ref = NULL;

	if (strcmp(text, "-") == 0) /* from standard input */
		return;
	if (reference_parse("fuzz", text, &ref) == BATON_OK)
		FUZZ_HOLDS(reference_path(ref));
	else
		FUZZ_HOLDS(!ref);
}
