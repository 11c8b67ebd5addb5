/* SPDX-License-Identifier: MIT */
/*
 * Aligned columns on a stream. Cells are copied; control characters in them are printed as '?', since
 * some come from other people's processes. Width is counted in UTF-8 characters.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "util/cleanup.h"
#include "util/macro.h"

enum table_align {
	TABLE_LEFT,
	TABLE_RIGHT,
};

/* If no column has a title, no title line is printed. */
struct table_column {
	const char *title;
	enum table_align align;
};

struct table;

/* `columns` is borrowed until table_free(). Returns 0 or -ENOMEM. */
int table_new(const struct table_column *columns, size_t ncolumns, struct table **ret) WARN_UNUSED;
void table_free(struct table *t);

/* Add a row of as many cells as there are columns. Returns 0 or -ENOMEM. */
int table_row(struct table *t, const char *const *cells) WARN_UNUSED;

/* Print title and rows; no line has trailing blanks. Errors show in ferror(out). */
void table_print(const struct table *t, FILE *out);

DEFINE_CLEANUP(struct table *, table_free)

#endif
