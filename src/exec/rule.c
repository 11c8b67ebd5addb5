/* SPDX-License-Identifier: MIT */
/*
 * The naming rules.
 */
#include "exec/rule.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Most digits of a numeric ID. Source: the decimal digits of a 64-bit integer, n8n's key type. */
#define DIGITS_MAX 20

static size_t uuid_prefix(const char *s)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == 'x' ? !isxdigit((unsigned char)s[i]) : s[i] != '-')
			return 0;
	}
	return sizeof(shape) - 1;
}

static size_t digits_prefix(const char *s)
{
	size_t n = 0;

	while (isdigit((unsigned char)s[n]))
		n++;
	return n <= DIGITS_MAX ? n : 0;
}

/* Length of the ID of n8n's shape that `s` starts with; 0 if none. */
static size_t n8n_prefix(const char *s)
{
	size_t n = uuid_prefix(s);

	return n ? n : digits_prefix(s);
}

bool rule_is_n8n_id(const char *name)
{
	size_t n = n8n_prefix(name);

	return n > 0 && name[n] == '\0';
}

bool rule_is_id(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= RULE_ID_MAX && name[n] == '\0' && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static void set(struct rule_match *m, enum place place, enum lifetime lifetime, const char *id,
		size_t len)
{
	m->place = place;
	m->inherits = false;
	m->lifetime = lifetime;
	memcpy(m->id, id, len);
	m->id[len] = '\0';
}

static void match_top(const char *name, bool is_directory, struct rule_match *m)
{
	size_t n = n8n_prefix(name);

	if (is_directory && strcmp(name, RULE_N8N) == 0)
		set(m, PLACE_N8N, LIFETIME_EXTERNAL, name, strlen(name));
	else if (is_directory && rule_is_id(name) && strcmp(name, RULE_OTHER) != 0)
		set(m, PLACE_TREE, LIFETIME_TTL, name, strlen(name));
	else if (!is_directory && n > 0 && name[n] && strchr("_-.", name[n]))
		set(m, PLACE_TREE, LIFETIME_TTL, name, n);
	else
		set(m, PLACE_OTHER, LIFETIME_FILES, RULE_OTHER, strlen(RULE_OTHER));
}

void rule_match(enum place parent, const char *name, bool is_directory, struct rule_match *ret)
{
	switch (parent) {
	case PLACE_ROOT:
		match_top(name, is_directory, ret);
		return;
	case PLACE_N8N:
		ret->place = is_directory && strcmp(name, "executions") == 0 ? PLACE_N8N_EXECUTIONS
									     : PLACE_N8N;
		ret->inherits = true;
		return;
	case PLACE_N8N_EXECUTIONS:
		if (is_directory && rule_is_id(name) && strlen(name) <= RULE_EXTERNAL_MAX) {
			set(ret, PLACE_N8N_DATA, LIFETIME_EXTERNAL, name, strlen(name));
			return;
		}
		ret->place = PLACE_N8N;
		ret->inherits = true;
		return;
	case PLACE_TREE:
	case PLACE_OTHER:
	case PLACE_N8N_DATA:
		ret->place = parent;
		ret->inherits = true;
		return;
	}
}

void rule_match_path(const char *path, bool is_directory, struct rule_match *ret)
{
	struct rule_match m = { .place = PLACE_ROOT };

	set(ret, PLACE_OTHER, LIFETIME_FILES, RULE_OTHER, strlen(RULE_OTHER));
	while (*path) {
		size_t n = strcspn(path, "/");
		char name[256]; /* NAME_MAX and its NUL */

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
		path += n + strspn(path + n, "/");
		rule_match(m.place, name, *path || is_directory, &m);
		if (!m.inherits)
			*ret = m;
	}
	ret->place = m.place;
	ret->inherits = false;
}
