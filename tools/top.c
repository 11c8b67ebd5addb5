/* SPDX-License-Identifier: MIT */
/*
 * Counters that fall have begun anew with the daemon: then there is no rate.
 */
#include "top.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "field.h"
#include "say.h"
#include "util/clock.h"
#include "util/parse.h"
#include "util/printable.h"

/* Columns that an ID has at least, while there are other cells. Source: more than n8n's numbers have, a third of a UUID. */
#define ID_WIDTH_MIN 12

static const char *const sort_names[TOP_SORT_MAX_] = {
	[TOP_BYTES] = "bytes",	 [TOP_FILES] = "files", [TOP_OPEN] = "open",
	[TOP_ACTIVE] = "active", [TOP_LEFT] = "left",	[TOP_ID] = "id",
};

const char *top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

int top_sort_parse(const char *name, enum top_sort *ret)
{
	for (unsigned int i = 0; i < TOP_SORT_MAX_; i++) {
		if (strcmp(name, sort_names[i]) == 0) {
			*ret = (enum top_sort)i;
			return 0;
		}
	}
	return -EINVAL;
}

void top_done(struct top *t)
{
	json_decref(t->status);
	json_decref(t->executions);
	free(t->rows);
	*t = (struct top){ .rows = NULL };
}

/* ---- what the mount says ---- */

/* The sum of all samples of a metric. */
static double metric(const char *text, const char *name)
{
	size_t len = strlen(name);
	double sum = 0;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		const char *value;

		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || !strchr(" {", line[len]))
			continue;
		value = line[len] == '{' ? strstr(line, "} ") : line + len;
		if (value)
			sum += strtod(value + (*value == '}'), NULL);
	}
	return sum;
}

static struct top_counts count(const json_t *status, const char *metrics, int64_t mono_ns)
{
	const json_t *requests = json_object_get(status, "requests");
	const json_t *opens = json_object_get(status, "opens");
	struct top_counts c = { .mono_ns = mono_ns };
	void *at = json_object_iter(json_object_get(status, "requests"));

	for (; at; at = json_object_iter_next(json_object_get(status, "requests"), at))
		c.requests += json_number_value(json_object_iter_value(at));
	c.opens = field_number(opens, "passthrough") + field_number(opens, "daemon");
	c.creates = field_number(requests, "create");
	c.handed_over = metric(metrics, "batonfs_handed_over_bytes_total");
	c.written = metric(metrics, "batonfs_written_bytes_total");
	return c;
}

static double rate(double before, double after, double seconds)
{
	return after >= before && seconds > 0 ? (after - before) / seconds : 0;
}

static struct top_rates rates_of(const struct top_counts *a, const struct top_counts *b)
{
	double seconds = (double)(b->mono_ns - a->mono_ns) / NS_PER_S;

	if (a->mono_ns == 0)
		return (struct top_rates){ 0 };
	return (struct top_rates){
		.requests = rate(a->requests, b->requests, seconds),
		.opens = rate(a->opens, b->opens, seconds),
		.creates = rate(a->creates, b->creates, seconds),
		.handed_over = rate(a->handed_over, b->handed_over, seconds),
		.written = rate(a->written, b->written, seconds),
	};
}

static void set_left(struct top_row *row, const json_t *e, double now)
{
	const char *lifetime = field_text(e, "lifetime");

	row->left = INFINITY;
	if (strcmp(lifetime, "external") == 0) {
		(void)snprintf(row->left_text, sizeof(row->left_text), "n8n's");
	} else if (strcmp(lifetime, "files") == 0) {
		(void)snprintf(row->left_text, sizeof(row->left_text), "by file");
	} else if (row->pinned || !field_has_number(e, "expires")) {
		(void)snprintf(row->left_text, sizeof(row->left_text), "never");
	} else if (field_number(e, "expires") <= now) {
		row->left = 0;
		(void)snprintf(row->left_text, sizeof(row->left_text), "%s",
			       row->open > 0 ? "in use" : "now");
	} else {
		row->left = field_number(e, "expires") - now;
		(void)say_duration(row->left, row->left_text, sizeof(row->left_text));
	}
}

static void set_row(struct top_row *row, const json_t *e, double now)
{
	const json_t *owner = json_object_get(e, "owner");
	const char *comm = field_text(owner, "comm");
	char user[SAY_MAX];

	*row = (struct top_row){
		.files = field_int(e, "files"),
		.bytes = field_int(e, "bytes"),
		.open = field_int(e, "open"),
		.idle = now - field_number(e, "active"),
		.pinned = field_bool(e, "pinned"),
	};
	(void)snprintf(row->id, sizeof(row->id), "%s", field_text(e, "execution"));
	(void)snprintf(row->owner, sizeof(row->owner), "%s",
		       *comm ? comm : say_user(field_int(owner, "uid"), user, sizeof(user)));
	(void)printable(row->id);
	(void)printable(row->owner);
	set_left(row, e, now);
}

int top_set(struct top *t, json_t *status, json_t *executions, const char *metrics, int64_t mono_ns,
	    double now)
{
	const json_t *list = json_object_get(executions, "executions");
	struct top_counts counts = count(status, metrics, mono_ns);
	struct top_row *rows = calloc(json_array_size(list) + 1, sizeof(*rows));
	const json_t *e;
	size_t i;

	if (!rows) {
		json_decref(status);
		json_decref(executions);
		return -ENOMEM;
	}
	json_array_foreach(list, i, e) set_row(&rows[i], e, now);
	free(t->rows);
	json_decref(t->status);
	json_decref(t->executions);
	t->rows = rows;
	t->nrows = json_array_size(list);
	t->status = status;
	t->executions = executions;
	t->rates = rates_of(&t->counts, &counts);
	t->counts = counts;
	return 0;
}

int top_read(struct top *t, const struct client *c)
{
	_cleanup_json_ json_t *status = NULL;
	_cleanup_json_ json_t *executions = NULL;
	_cleanup_free_ char *metrics = NULL;
	int r = client_read_json(c, "status.json", &status);

	if (r == 0)
		r = client_read_json(c, "executions.json", &executions);
	if (r == 0)
		r = client_read(c, "metrics", &metrics);
	if (r == 0)
		r = top_set(t, TAKE_PTR(status), TAKE_PTR(executions), metrics, clock_mono_ns(),
			    (double)clock_real_ns() / NS_PER_S);
	return r;
}

void top_complain(const struct client *c, int err)
{
	if (err == -ENOTCONN)
		say_error("top: the daemon of %s is gone: unmount it and mount again", c->path);
	else
		say_error("top: %s: %s", c->path,
			  err == -EBADMSG ? "its answer is no JSON object" : strerror(-err));
}

/* ---- order ---- */

struct order {
	enum top_sort sort;
	bool reverse;
};

static int compare_numbers(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct top_row *x = a;
	const struct top_row *y = b;
	const struct order *o = arg;
	int r = 0;

	switch (o->sort) {
	case TOP_BYTES:
		r = compare_numbers((double)y->bytes, (double)x->bytes);
		break;
	case TOP_FILES:
		r = compare_numbers((double)y->files, (double)x->files);
		break;
	case TOP_OPEN:
		r = compare_numbers((double)y->open, (double)x->open);
		break;
	case TOP_ACTIVE:
		r = compare_numbers(x->idle, y->idle);
		break;
	case TOP_LEFT:
		r = compare_numbers(x->left, y->left);
		break;
	default:
		break;
	}
	if (r == 0)
		r = strcmp(x->id, y->id);
	return o->reverse ? -r : r;
}

size_t top_arrange(struct top *t, enum top_sort sort, bool reverse, const char *filter)
{
	struct order order = { .sort = sort, .reverse = reverse };
	size_t n = 0;

	for (size_t i = 0; i < t->nrows; i++) {
		struct top_row *row = &t->rows[i];

		if (strcasestr(row->id, filter) || strcasestr(row->owner, filter)) {
			struct top_row kept = *row;

			*row = t->rows[n];
			t->rows[n++] = kept;
		}
	}
	qsort_r(t->rows, n, sizeof(*t->rows), compare, &order);
	return n;
}

/* ---- shown ---- */

static json_t *row_json(const struct top *t, const char *id)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(t->executions, "executions"), i, e)
	{
		if (strcmp(field_text(e, "execution"), id) == 0)
			return e;
	}
	return NULL;
}

json_t *top_json(const struct top *t, const char *mountpoint, double now, size_t nrows)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < nrows; i++) {
		if (json_array_append(list, row_json(t, t->rows[i].id)) < 0)
			list = (json_decref(list), NULL);
	}
	if (!list)
		return NULL;
	return json_pack("{s:o, s:f, s:{s:f, s:f, s:f, s:f, s:f}, s:O, s:o}", "mount",
			 client_json_bytes(mountpoint), "time", now, "rates", "requests",
			 t->rates.requests, "opens", t->rates.opens, "creates", t->rates.creates,
			 "handed_over", t->rates.handed_over, "written", t->rates.written, "status",
			 t->status, "executions", list);
}

static const char *bytes_of(double n, char *buf)
{
	return format_size(n > 0 ? (uint64_t)n : 0, buf, SAY_MAX);
}

void top_head(const struct top *t, const char *mountpoint, double now,
	      char lines[TOP_HEAD_LINES][2 * TOP_CELL_MAX])
{
	char a[SAY_MAX], b[SAY_MAX], up[SAY_MAX];
	double size = field_number(t->status, "size");
	double used = size - field_number(t->status, "free");

	(void)snprintf(lines[0], 2 * TOP_CELL_MAX,
		       "%s, up %s: %" PRId64 " executions, %" PRId64 " open", mountpoint,
		       say_duration(now - field_number(t->status, "started"), up, sizeof(up)),
		       field_int(t->status, "executions"), field_int(t->status, "open"));
	(void)snprintf(lines[1], 2 * TOP_CELL_MAX,
		       "%" PRId64 " files of %s; store %.0f %% full, %s free",
		       field_int(t->status, "files"), bytes_of(field_number(t->status, "bytes"), a),
		       size > 0 ? used / size * 100 : 0,
		       bytes_of(field_number(t->status, "free"), b));
	(void)snprintf(lines[2], 2 * TOP_CELL_MAX,
		       "per second: %.0f requests, %.0f opens, %.0f creates, %s handed over",
		       t->rates.requests, t->rates.opens, t->rates.creates,
		       bytes_of(t->rates.handed_over, a));
	for (int i = 0; i < TOP_HEAD_LINES; i++)
		(void)printable(lines[i]);
}

/* Text of `width` columns: filled with blanks, or cut, with ~ for the rest. Characters may be two columns wide. */
static size_t put_cell(const char *text, int width, bool right, char *buf, size_t len)
{
	wchar_t wide[TOP_CELL_MAX];
	size_t n = mbstowcs(wide, text, TOP_CELL_MAX - 1);
	char out[TOP_CELL_MAX * MB_LEN_MAX];
	size_t bytes = 0;
	int used = 0;

	if (n == (size_t)-1) { /* not in this locale's characters */
		for (n = 0; text[n] && n < TOP_CELL_MAX - 1; n++)
			wide[n] = (unsigned char)text[n] < 0x80 ? (wchar_t)text[n] : L'?';
	}
	wide[n] = L'\0';
	for (size_t i = 0; i < n; i++) {
		int w = wcwidth(wide[i]);
		bool last = i + 1 == n;
		int k;

		if (w < 0) {
			wide[i] = L'?';
			w = 1;
		}
		if (used + w > width - (last ? 0 : 1)) {
			out[bytes++] = '~';
			used++;
			break;
		}
		k = wctomb(out + bytes, wide[i]);
		bytes += k > 0 ? (size_t)k : 0;
		used += w;
	}
	return (size_t)snprintf(buf, len, "%*s%.*s%*s", right ? width - used : 0, "", (int)bytes,
				out, right ? 0 : width - used, "");
}

struct cell {
	const char *text;
	int width; /* 0: not shown */
	bool right;
};

enum {
	CELL_ID,
	CELL_OWNER,
	CELL_FILES,
	CELL_BYTES,
	CELL_OPEN,
	CELL_IDLE,
	CELL_LEFT,
	CELL_PINNED,
	CELL_MAX_
};

/*
 * The ID has what the others leave. What is beyond 80 columns is the ID's, up to a UUID, then the owner's. Where it would
 * be less than tells IDs apart, others go, those first that are missed least.
 */
static void fit(struct cell cells[CELL_MAX_], int columns)
{
	static const int go[] = { CELL_OWNER,  CELL_IDLE, CELL_OPEN, CELL_FILES,
				  CELL_PINNED, CELL_LEFT, CELL_BYTES };
	int more = columns > 80 ? columns - 80 : 0;
	int left = MIN_OF(columns, 80);

	for (int i = CELL_ID + 1; i < CELL_MAX_; i++)
		left -= cells[i].width + 1;
	for (size_t i = 0; i < ARRAY_SIZE(go) && left < ID_WIDTH_MIN; i++) {
		left += cells[go[i]].width + 1;
		cells[go[i]].width = 0;
	}
	cells[CELL_ID].width = MAX_OF(left, 1) + MIN_OF(more, 12);
	if (cells[CELL_OWNER].width > 0)
		cells[CELL_OWNER].width += MIN_OF(more > 12 ? more - 12 : 0, 10);
}

void top_line(const struct top_row *row, int columns, char *buf, size_t len)
{
	char files[SAY_MAX] = "FILES", bytes[SAY_MAX] = "BYTES", open[SAY_MAX] = "OPEN";
	char idle[SAY_MAX] = "IDLE";
	struct cell cells[CELL_MAX_] = {
		[CELL_ID] = { row ? row->id : "ID", 0, false },
		[CELL_OWNER] = { row ? row->owner : "OWNER", 10, false },
		[CELL_FILES] = { files, 6, true },
		[CELL_BYTES] = { bytes, 8, true },
		[CELL_OPEN] = { open, 4, true },
		[CELL_IDLE] = { idle, 7, true },
		[CELL_LEFT] = { row ? row->left_text : "LEFT", 8, true },
		[CELL_PINNED] = { row && row->pinned ? "pinned" : "", 6, false },
	};
	size_t at = 0;

	if (row) {
		(void)snprintf(files, sizeof(files), "%" PRId64, row->files);
		(void)bytes_of((double)row->bytes, bytes);
		(void)snprintf(open, sizeof(open), "%" PRId64, row->open);
		(void)say_duration(row->idle, idle, sizeof(idle));
	}
	fit(cells, columns);
	for (size_t i = 0; i < CELL_MAX_ && at + 1 < len; i++) {
		if (cells[i].width == 0)
			continue;
		if (i > 0)
			at += (size_t)snprintf(buf + at, len - at, " ");
		if (at + 1 < len)
			at += put_cell(cells[i].text, cells[i].width, cells[i].right, buf + at,
				       len - at);
	}
	at = MIN_OF(at, len - 1);
	while (at > 0 && buf[at - 1] == ' ')
		at--;
	buf[at] = '\0';
}
