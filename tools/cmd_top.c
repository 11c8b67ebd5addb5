/* SPDX-License-Identifier: MIT */
/*
 * baton top: the executions as they change, on a terminal (top_screen.c) or as tables, one after the other.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "say.h"
#include "top.h"
#include "top_screen.h"
#include "util/clock.h"
#include "util/parse.h"

/* Source: what a mount with thousands of executions answers in. */
#define DELAY_MIN_NS (100 * NS_PER_MS)

/* Width of the tables, columns. */
#define BATCH_COLUMNS 120

static bool parse_wishes(const struct invocation *inv, struct top_wishes *w)
{
	const char *sort = invocation_option(inv, "sort");
	const char *delay = invocation_option(inv, "delay");
	const char *count = invocation_option(inv, "count");
	uint64_t n = 0;

	*w = (struct top_wishes){ .sort = TOP_BYTES, .delay_ns = NS_PER_S };
	if (sort && top_sort_parse(sort, &w->sort) < 0) {
		say_error("top: --sort %s: bytes, files, open, active, left or id", sort);
		return false;
	}
	if (delay && (parse_duration(delay, &w->delay_ns) < 0 || w->delay_ns < DELAY_MIN_NS)) {
		say_error("top: --delay %s: not a time of 100ms and more", delay);
		return false;
	}
	if (count && (parse_u64(count, &n) < 0 || n == 0 || n > INT32_MAX)) {
		say_error("top: --count %s: not a number from 1 on", count);
		return false;
	}
	w->count = (long)n;
	return true;
}

static int print_moment(struct top *t, const struct client *c, const struct invocation *inv,
			const struct top_wishes *w)
{
	double now = (double)clock_real_ns() / NS_PER_S;
	size_t n = top_arrange(t, w->sort, w->reverse, "");
	char head[TOP_HEAD_LINES][2 * TOP_CELL_MAX];
	char line[4 * TOP_CELL_MAX];

	if (inv->json) {
		_cleanup_json_ json_t *value = top_json(t, c->path, now, n);

		if (!value)
			return -ENOMEM;
		client_print_json(value);
		return 0;
	}
	top_head(t, c->path, now, head);
	(void)printf("%s\n", say_time(now, line, sizeof(line)));
	for (int i = 0; i < TOP_HEAD_LINES; i++)
		(void)printf("%s\n", head[i]);
	top_line(NULL, BATCH_COLUMNS, line, sizeof(line));
	(void)printf("\n%s\n", line);
	for (size_t i = 0; i < n; i++) {
		top_line(&t->rows[i], BATCH_COLUMNS, line, sizeof(line));
		(void)printf("%s\n", line);
	}
	(void)printf("\n");
	return 0;
}

static int print_moments(struct top *t, const struct client *c, const struct invocation *inv,
			 const struct top_wishes *w)
{
	const struct timespec ts = { .tv_sec = w->delay_ns / NS_PER_S,
				     .tv_nsec = w->delay_ns % NS_PER_S };

	for (long i = 1;; i++) {
		int r = print_moment(t, c, inv, w);

		if (r < 0 || fflush(stdout) != 0 || i == w->count) /* main() tells of stdout */
			return r;
		(void)nanosleep(&ts, NULL);
		r = top_read(t, c);
		if (r < 0)
			return r;
	}
}

enum baton_exit cmd_top(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_(top_done) struct top t = { .rows = NULL };
	bool batch = inv->json || invocation_option(inv, "batch");
	struct top_wishes wishes;
	int r;

	if (!parse_wishes(inv, &wishes))
		return BATON_USAGE;
	if (!batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		say_error("top: this is no terminal: use --batch or --json, with --count 1 for one "
			  "table");
		return BATON_USAGE;
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = top_read(&t, &c);
	if (r == 0)
		r = batch ? print_moments(&t, &c, inv, &wishes) : top_screen_run(&t, &c, &wishes);
	if (r == -ENOTTY)
		say_error("top: this terminal (TERM) cannot do it: use --batch");
	else if (r < 0)
		top_complain(&c, r); /* not on its screen, which is gone now */
	return r < 0 ? BATON_FAILED : BATON_OK;
}
