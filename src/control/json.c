/* SPDX-License-Identifier: MIT */
/*
 * JSON by jansson, whose strings must be valid UTF-8.
 */
#include "control/json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/utf8.h"

/* Digits of a number that is not whole. Source: what a double keeps of any decimal (DBL_DIG). */
#define REAL_DIGITS 15

static const char *const state_names[] = {
	[EXEC_VIRTUAL] = "virtual",  [EXEC_ACTIVE] = "active",	   [EXEC_RELEASING] = "releasing",
	[EXEC_MOVING] = "releasing", [EXEC_RELEASED] = "released",
};

static const char *const lifetime_names[] = {
	[LIFETIME_TTL] = "ttl",
	[LIFETIME_FILES] = "files",
	[LIFETIME_EXTERNAL] = "external",
};

json_t *json_of_bytes(const char *s, size_t max)
{
	_cleanup_free_ char *text = utf8_dup(s, max);

	return text ? json_string(text) : NULL;
}

json_t *json_of_ns(int64_t ns)
{
	int64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);

	return ns == INT64_MAX ? json_null() : json_real((double)ms / 1e3);
}

json_t *json_of_fields(const struct json_field *fields, size_t n)
{
	_cleanup_(json_decrefp) json_t *object = json_object();
	bool complete = object;

	for (size_t i = 0; i < n; i++) /* takes all values over, and refuses a NULL */
		complete &= json_object_set_new(object, fields[i].key, fields[i].value) == 0;
	return complete ? TAKE_PTR(object) : NULL;
}

static json_t *of_owner(const struct ledger_owner *o)
{
	const struct json_field fields[] = {
		{ "uid", json_integer(o->uid) },
		{ "gid", json_integer(o->gid) },
		{ "pid", json_integer(o->pid) },
		{ "comm", json_of_bytes(o->comm, sizeof(o->comm)) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

/* null for batonfs itself. */
static json_t *of_actor(const struct ledger_owner *o)
{
	if (!o->uid && !o->gid && !o->pid && !o->comm[0])
		return json_null();
	return of_owner(o);
}

static json_t *of_limit(uint64_t limit)
{
	return limit ? json_integer((json_int_t)limit) : json_null();
}

json_t *json_of_execution(const struct exec_info *info)
{
	const struct json_field fields[] = {
		{ "execution", json_of_bytes(info->id, sizeof(info->id)) },
		{ "state", json_string(state_names[info->state]) },
		{ "lifetime", json_string(lifetime_names[info->lifetime]) },
		{ "owner", of_owner(&info->owner) },
		{ "created", json_of_ns(info->created_real_ns) },
		{ "active", json_of_ns(info->activity_real_ns) },
		{ "expires", json_of_ns(info->expires_real_ns) },
		{ "ttl", json_of_ns(info->ttl_ns) },
		{ "pinned", json_boolean(info->pinned) },
		{ "bytes", json_integer((json_int_t)info->bytes) },
		{ "files", json_integer((json_int_t)info->files) },
		{ "limit_bytes", of_limit(info->limits.bytes) },
		{ "limit_files", of_limit(info->limits.files) },
		{ "open", json_integer(info->open) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

json_t *json_of_release(const struct ledger_release *r)
{
	const struct json_field fields[] = {
		{ "reason", json_string(ledger_reason_name(r->reason)) },
		{ "path", json_of_bytes(r->path, sizeof(r->path)) },
		{ "released", json_of_ns(r->released_real_ns) },
		{ "created", json_of_ns(r->created_real_ns) },
		{ "active", json_of_ns(r->activity_real_ns) },
		{ "ttl", json_of_ns(r->ttl_ns) },
		{ "owner", of_owner(&r->owner) },
		{ "by", of_actor(&r->by) },
		{ "bytes", json_integer((json_int_t)r->bytes) },
		{ "files", json_integer((json_int_t)r->files) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

json_t *json_of_ledger(const struct ledger_stats *stats)
{
	const struct json_field fields[] = {
		{ "events", json_integer((json_int_t)stats->events) },
		{ "commits", json_integer((json_int_t)stats->commits) },
		{ "waits", json_integer((json_int_t)stats->waits) },
		{ "lost", json_integer((json_int_t)stats->lost) },
		{ "queued", json_integer((json_int_t)stats->queued_bytes) },
		{ "error", json_string(stats->error ? log_errname(stats->error) : "") },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

int json_to_text(json_t *value, char **ret)
{
	_cleanup_(json_decrefp) json_t *owned = value;
	char *text;

	if (!owned)
		return -ENOMEM;
	text = json_dumps(owned, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}
