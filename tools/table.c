/* SPDX-License-Identifier: MIT */
/*
 * Columns as wide as their widest cell, two blanks apart. The whole table is kept until it is printed.
 */
#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/printable.h"

#define COLUMN_GAP 2

struct table {
	const struct table_column *columns; /* borrowed from the caller */
	size_t ncolumns;
	size_t *widths; /* owned; ncolumns, in characters */
	char **cells;	/* owned, each cell too; row after row */
	size_t ncells;
};

/* UTF-8 continuation bytes take no room. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool has_titles(const struct table *t)
{
	for (size_t i = 0; i < t->ncolumns; i++) {
		if (t->columns[i].title)
			return true;
	}
	return false;
}

static const char *title_of(const struct table *t, size_t column)
{
	return t->columns[column].title ? t->columns[column].title : "";
}

int table_new(const struct table_column *columns, size_t ncolumns, struct table **ret)
{
	_cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->ncolumns = ncolumns;
	t->widths = calloc(ncolumns, sizeof(*t->widths));
	if (!t->widths)
		return -ENOMEM;
	for (size_t i = 0; i < ncolumns; i++)
		t->widths[i] = text_width(title_of(t, i));
	*ret = TAKE_PTR(t);
	return 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->widths);
	free(t);
}

int table_row(struct table *t, const char *const *cells)
{
	size_t first = t->ncells;
	char **grown = reallocarray(t->cells, first + t->ncolumns, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	t->cells = grown;
	for (size_t i = 0; i < t->ncolumns; i++) {
		char *cell = strdup(cells[i]);

		if (!cell) {
			while (t->ncells > first) /* a row is added whole or not at all */
				free(t->cells[--t->ncells]);
			return -ENOMEM;
		}
		(void)printable(cell);
		t->cells[t->ncells++] = cell;
		t->widths[i] = MAX_OF(t->widths[i], text_width(cell));
	}
	return 0;
}

static void pad(FILE *out, size_t n)
{
	(void)fprintf(out, "%*s", (int)n, "");
}

/* Blanks are owed until something follows them. */
static void print_cell(const struct table *t, size_t column, const char *text, size_t *owed,
		       FILE *out)
{
	size_t fill = t->widths[column] - text_width(text);
	bool right = t->columns[column].align == TABLE_RIGHT;

	if (*text) {
		pad(out, *owed + (right ? fill : 0));
		(void)fputs(text, out);
		*owed = right ? 0 : fill;
	} else {
		*owed += fill;
	}
	*owed += COLUMN_GAP;
}

void table_print(const struct table *t, FILE *out)
{
	size_t owed = 0;

	if (has_titles(t)) {
		for (size_t i = 0; i < t->ncolumns; i++)
			print_cell(t, i, title_of(t, i), &owed, out);
		(void)fputc('\n', out);
	}
	for (size_t i = 0; i < t->ncells; i++) {
		size_t column = i % t->ncolumns;

		if (column == 0)
			owed = 0;
		print_cell(t, column, t->cells[i], &owed, out);
		if (column == t->ncolumns - 1)
			(void)fputc('\n', out);
	}
}
