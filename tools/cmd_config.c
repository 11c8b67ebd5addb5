/* SPDX-License-Identifier: MIT */
/*
 * baton config [OPTION|OPTION=VALUE...]: show the options of a mount with where they were said, or change some.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "say.h"
#include "table.h"

/* Behind the origin of an option that can be changed while mounted; see baton/interface.h. */
#define LIVE " (can be changed)"

static const struct table_column columns[] = {
	{ "OPTION", TABLE_LEFT },
	{ "VALUE", TABLE_LEFT },
	{ "FROM", TABLE_LEFT },
	{ "CAN BE CHANGED", TABLE_LEFT },
};

/* ---- reading ---- */

/* A value, perhaps in quotes, and the comment behind it; cuts the text. NULL: there is no comment. */
static char *split_value(char **value)
{
	char *text = *value;
	char *comment;

	if (*text == '"' || *text == '\'') {
		char *end = strchr(text + 1, *text);

		if (!end)
			return NULL;
		*end = '\0';
		*value = text + 1;
		comment = strstr(end + 1, "# ");
	} else {
		comment = strstr(text, " # ");
		if (comment)
			*comment++ = '\0';
	}
	return comment ? comment + strlen("# ") : NULL;
}

/* "ttl = 30m # default (can be changed)": an object, or NULL if it is not so, or there is no memory. */
static json_t *parse_line(char *line)
{
	char *value = strstr(line, " = ");
	char *from;
	char *live;

	if (!value)
		return NULL;
	*value = '\0';
	value += strlen(" = ");
	from = split_value(&value);
	if (!from)
		return NULL;
	live = strstr(from, LIVE);
	if (live)
		*live = '\0';
	return json_pack("{s:s,s:o,s:o,s:b}", "option", line, "value", client_json_bytes(value),
			 "from", client_json_bytes(from), "changeable", live != NULL);
}

/* All options, in the daemon's order. */
static int read_options(const struct client *c, json_t **ret)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r = client_read(c, "config", &text);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (json_array_append_new(list, parse_line(line)) < 0)
			return -EBADMSG;
	}
	*ret = TAKE_PTR(list);
	return 0;
}

/* ---- choosing ---- */

static size_t name_length(const char *argument)
{
	return strcspn(argument, "=");
}

static bool is_named(const char *option, const struct invocation *inv)
{
	for (int i = 0; i < inv->argc; i++) {
		if (strlen(option) == name_length(inv->argv[i]) &&
		    strncmp(option, inv->argv[i], strlen(option)) == 0)
			return true;
	}
	return inv->argc == 0;
}

/* Leave only what the arguments name, which must be there. */
static bool choose(json_t *list, const struct invocation *inv)
{
	for (int i = 0; i < inv->argc; i++) {
		size_t len = name_length(inv->argv[i]);
		size_t n = 0;

		while (n < json_array_size(list) &&
		       (strlen(field_text(json_array_get(list, n), "option")) != len ||
			strncmp(field_text(json_array_get(list, n), "option"), inv->argv[i], len) !=
				0))
			n++;
		if (n == json_array_size(list)) {
			say_error("config: %.*s: no such option: `baton config` lists them",
				  (int)len, inv->argv[i]);
			return false;
		}
	}
	for (size_t n = json_array_size(list); n-- > 0;) {
		if (!is_named(field_text(json_array_get(list, n), "option"), inv))
			(void)json_array_remove(list, n);
	}
	return true;
}

/* ---- changing ---- */

/* The arguments that give a value, apart by blanks; "": none does. NULL: out of memory. */
static char *changes(const struct invocation *inv)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (int i = 0; i < inv->argc; i++) {
		if (strchr(inv->argv[i], '='))
			fprintf(out, "%s%s", ftell(out) > 0 ? " " : "", inv->argv[i]);
	}
	return fclose(out) == 0 ? text : NULL;
}

static int change(const struct client *c, const struct invocation *inv)
{
	_cleanup_free_ char *text = changes(inv);
	_cleanup_free_ char *reason = NULL;
	int r = text ? 0 : -ENOMEM;

	if (text && *text)
		r = client_write_reason(c, "config", text, &reason);
	if (r == -EACCES)
		say_error("config: only root may change options; try with sudo");
	else if (r < 0)
		say_error("config: %s", reason ? reason : strerror(-r));
	return r;
}

/* ---- showing ---- */

static int print_table(const json_t *list)
{
	_cleanup_(table_freep) struct table *t = NULL;
	const json_t *o;
	size_t i;
	int r = table_new(columns, ARRAY_SIZE(columns), &t);

	json_array_foreach(list, i, o)
	{
		if (r == 0)
			r = table_row(t, (const char *const[]){
						 field_text(o, "option"), field_text(o, "value"),
						 field_text(o, "from"),
						 field_bool(o, "changeable") ? "yes" : "no" });
	}
	if (r == 0)
		table_print(t, stdout);
	return r;
}

static int print(const json_t *list, bool json)
{
	_cleanup_json_ json_t *object = NULL;

	if (!json)
		return print_table(list);
	object = json_pack("{s:O}", "options", list);
	if (!object)
		return -ENOMEM;
	client_print_json(object);
	return 0;
}

enum baton_exit cmd_config(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *list = NULL;
	int r;

	if (client_open(inv->mount_arg, &c) < 0 || change(&c, inv) < 0)
		return BATON_FAILED;
	r = read_options(&c, &list);
	if (r < 0) {
		client_complain_file(&c, "config", r);
		return BATON_FAILED;
	}
	if (!choose(list, inv))
		return BATON_USAGE;
	if (print(list, inv->json) < 0) {
		say_error("config: %s", strerror(ENOMEM));
		return BATON_FAILED;
	}
	return BATON_OK;
}
