/* SPDX-License-Identifier: MIT */
/*
 * What `baton top` shows: the executions and sums of a mount at one moment, and what changed per second since the moment
 * before. Nothing of a terminal. Text in it is printable (util/printable.h).
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "util/cleanup.h"
#include "util/macro.h"

/* Columns by which rows are sorted, the largest first; ID: the smallest. */
enum top_sort {
	TOP_BYTES,
	TOP_FILES,
	TOP_OPEN,
	TOP_ACTIVE, /* the latest first */
	TOP_LEFT,   /* the soonest first */
	TOP_ID,
	TOP_SORT_MAX_,
};

/* "bytes", ... */
const char *top_sort_name(enum top_sort sort);

/* -EINVAL */
int top_sort_parse(const char *name, enum top_sort *ret) WARN_UNUSED;

/* Long enough for an execution's ID, and for every other cell. */
#define TOP_CELL_MAX 160

struct top_row {
	char id[TOP_CELL_MAX];
	char owner[TOP_CELL_MAX];
	int64_t files;
	int64_t bytes;
	int64_t open;
	double idle; /* seconds */
	double left; /* seconds; INFINITY: for ever */
	char left_text[TOP_CELL_MAX];
	bool pinned;
};

/* Since the moment before, per second; all 0 for the first one. */
struct top_rates {
	double requests;
	double opens;
	double creates;
	double handed_over; /* bytes of files at their opens for reading */
	double written;	    /* bytes, through the daemon */
};

struct top {
	json_t *status;	      /* owned; status.json */
	json_t *executions;   /* owned; executions.json */
	struct top_row *rows; /* owned */
	size_t nrows;
	struct top_rates rates;
	struct top_counts {
		int64_t mono_ns; /* 0: there was no moment before */
		double requests, opens, creates, handed_over, written;
	} counts;
};

/* All bytes 0 is an empty one. */
void top_done(struct top *t);

/* The next moment. On failure *t is as before. 0 or -errno. */
int top_read(struct top *t, const struct client *c) WARN_UNUSED;

/* Print why top_read() failed. */
void top_complain(const struct client *c, int err);

/* For top_read(), and for tests: out of what the mount says at a time. Takes the objects over. 0, -ENOMEM. */
int top_set(struct top *t, json_t *status, json_t *executions, const char *metrics, int64_t mono_ns,
	    double now) WARN_UNUSED;

/* Rows in order, those first whose ID or owner contains `filter` ("": all): how many they are. */
size_t top_arrange(struct top *t, enum top_sort sort, bool reverse, const char *filter);

/* {"mount":..,"time":..,"rates":{..},"status":{..},"executions":[..]}; NULL: no memory. */
json_t *top_json(const struct top *t, const char *mountpoint, double now, size_t nrows);

/* The lines above the table, without newlines. */
#define TOP_HEAD_LINES 3
void top_head(const struct top *t, const char *mountpoint, double now,
	      char lines[TOP_HEAD_LINES][2 * TOP_CELL_MAX]);

/* The cells of a row, and of the titles if it is NULL, in a line of at most `columns` columns. */
void top_line(const struct top_row *row, int columns, char *buf, size_t len);

#endif
