/* SPDX-License-Identifier: MIT */
/*
 * baton ls: one line per execution, the most recently active first.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "say.h"
#include "table.h"
#include "util/clock.h"
#include "util/parse.h"

static const struct table_column columns[] = {
	{ "ID", TABLE_LEFT },	       { "OWNER", TABLE_LEFT },	 { "FILES", TABLE_RIGHT },
	{ "BYTES", TABLE_RIGHT },      { "AGE", TABLE_RIGHT },	 { "IDLE", TABLE_RIGHT },
	{ "EXPIRES IN", TABLE_RIGHT }, { "PINNED", TABLE_LEFT },
};

static int by_activity(const void *a, const void *b)
{
	const json_t *const *x = a;
	const json_t *const *y = b;
	double ta = field_number(*x, "active");
	double tb = field_number(*y, "active");

	if (ta != tb)
		return ta < tb ? 1 : -1;
	return strcmp(field_text(*x, "execution"), field_text(*y, "execution"));
}

/* `list` in order of activity; a new array. */
static json_t *sorted(const json_t *list)
{
	size_t n = json_array_size(list);
	_cleanup_free_ json_t **item = calloc(n + 1, sizeof(json_t *));
	json_t *result = json_array();

	if (!item || !result) {
		json_decref(result);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		item[i] = json_array_get(list, i);
	qsort(item, n, sizeof(json_t *), by_activity);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append(result, item[i]);
	return result;
}

static void say_expiry(const json_t *e, double now, char *buf, size_t len)
{
	const char *lifetime = field_text(e, "lifetime");

	if (strcmp(lifetime, "external") == 0)
		(void)snprintf(buf, len, "up to n8n");
	else if (strcmp(lifetime, "files") == 0)
		(void)snprintf(buf, len, "file by file");
	else if (field_bool(e, "pinned") || !field_has_number(e, "expires"))
		(void)snprintf(buf, len, "never");
	else if (field_number(e, "expires") <= now)
		(void)snprintf(buf, len, "%s", field_int(e, "open") > 0 ? "in use" : "now");
	else
		(void)say_duration(field_number(e, "expires") - now, buf, len);
}

static int add_row(struct table *t, const json_t *e, double now)
{
	const json_t *owner = json_object_get(e, "owner");
	const char *comm = field_text(owner, "comm");
	char user[SAY_MAX], who[2 * SAY_MAX], files[SAY_MAX], bytes[SAY_MAX];
	char age[SAY_MAX], idle[SAY_MAX], expires[SAY_MAX];

	(void)say_user(field_int(owner, "uid"), user, sizeof(user));
	if (*comm)
		(void)snprintf(who, sizeof(who), "%s (%s)", user, comm);
	else
		(void)snprintf(who, sizeof(who), "%s", user);
	(void)snprintf(files, sizeof(files), "%" PRId64, field_int(e, "files"));
	(void)format_size((uint64_t)MAX_OF(field_int(e, "bytes"), 0), bytes, sizeof(bytes));
	(void)say_duration(now - field_number(e, "created"), age, sizeof(age));
	(void)say_duration(now - field_number(e, "active"), idle, sizeof(idle));
	say_expiry(e, now, expires, sizeof(expires));

	return table_row(t, (const char *const[]){ field_text(e, "execution"), who, files, bytes,
						   age, idle, expires,
						   field_bool(e, "pinned") ? "yes" : "no" });
}

static int print_table(const json_t *list)
{
	_cleanup_(table_freep) struct table *t = NULL;
	double now = (double)clock_real_ns() / NS_PER_S;
	const json_t *e;
	size_t i;
	int r = table_new(columns, ARRAY_SIZE(columns), &t);

	json_array_foreach(list, i, e)
	{
		if (r == 0)
			r = add_row(t, e, now);
	}
	if (r == 0)
		table_print(t, stdout);
	return r;
}

enum baton_exit cmd_ls(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *answer = NULL;
	json_t *list;
	int r;

	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_read_json(&c, "executions.json", &answer);
	if (r < 0) {
		client_complain_file(&c, "executions.json", r);
		return BATON_FAILED;
	}
	list = sorted(json_object_get(answer, "executions"));
	if (!list || json_object_set_new(answer, "executions", list) < 0) {
		say_error("ls: %s", strerror(ENOMEM));
		return BATON_FAILED;
	}

	if (inv->json) {
		client_print_json(answer);
	} else if (json_array_size(list) == 0 && isatty(STDOUT_FILENO)) {
		(void)printf("no executions at %s\n", c.path);
	} else if (print_table(list) < 0) {
		say_error("ls: %s", strerror(ENOMEM));
		return BATON_FAILED;
	}
	return BATON_OK;
}
