/* SPDX-License-Identifier: MIT */
/*
 * What takes text from outside, for a fuzzer to feed: tools/fuzz runs it, tests/unit/test_seeds.c what is in seeds/.
 * Each file here is one target, named in fuzz_target.c's table.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

struct fuzz_target {
	const char *name; /* and of its folder in seeds/ */
	/* May end the process: that is what is looked for. */
	void (*feed)(const uint8_t *data, size_t size);
};

/* The i-th, NULL behind the last. */
const struct fuzz_target *fuzz_target_at(size_t i);
/* NULL: there is none of that name. */
const struct fuzz_target *fuzz_target_find(const char *name);

void fuzz_numbers(const uint8_t *data, size_t size);
void fuzz_options(const uint8_t *data, size_t size);
void fuzz_config_file(const uint8_t *data, size_t size);
void fuzz_names(const uint8_t *data, size_t size);
void fuzz_control(const uint8_t *data, size_t size);
void fuzz_reference(const uint8_t *data, size_t size);
void fuzz_mountinfo(const uint8_t *data, size_t size);

/* What must hold; also where assert() is compiled out. */
#define FUZZ_HOLDS(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,    \
				      #condition);                                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy with a NUL behind it; the caller frees it. A text ends at its first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_HOLDS(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Whether it can be shown to a person as it is, on one line. */
static inline void fuzz_is_one_line(const char *text)
{
	FUZZ_HOLDS(*text);
	for (; *text; text++)
		FUZZ_HOLDS((unsigned char)*text >= ' ' && *text != 0x7f);
}

#endif
