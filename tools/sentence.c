/* SPDX-License-Identifier: MIT */
/*
 * Sentences are put together from clauses; each function prints one clause and knows no other.
 */
#include "sentence.h"

#include <inttypes.h>
#include <string.h>

#include "field.h"
#include "say.h"
#include "util/cleanup.h"
#include "util/printable.h"

static void print_plain(FILE *out, const char *s)
{
	_cleanup_free_ char *text = strdup(s);

	(void)fputs(text ? printable(text) : "?", out);
}

static void print_owner(FILE *out, const json_t *owner)
{
	char text[SAY_MAX];

	(void)fputs(say_owner(owner, text, sizeof(text)), out);
}

/* "last active 2026-... (12 s ago), owned by uid 1000 (node, pid 77), 3 files, 120 MiB" */
static void print_facts(FILE *out, const json_t *o, double now)
{
	char at[SAY_MAX], ago[SAY_MAX], usage[SAY_MAX];
	double active = field_number(o, "active");

	(void)fprintf(out, "last active %s (%s ago), owned by ", say_time(active, at, sizeof(at)),
		      say_duration(now - active, ago, sizeof(ago)));
	print_owner(out, json_object_get(o, "owner"));
	(void)fprintf(out, ", %s",
		      say_usage(field_int(o, "files"), field_int(o, "bytes"), usage,
				sizeof(usage)));
}

enum expiry {
	EXPIRY_EXTERNAL,
	EXPIRY_FILES,
	EXPIRY_PINNED,
	EXPIRY_NEVER,
	EXPIRY_OVERDUE,
	EXPIRY_AHEAD,
	EXPIRY_MAX_,
};

/* As the answer to "when?", and as what follows "4711 is alive". The last two go on with times. */
static const struct {
	const char *when;
	const char *clause;
} expiry_text[EXPIRY_MAX_] = {
	[EXPIRY_EXTERNAL] = { "not here: it is n8n's own data, which n8n prunes",
			      " and does not expire here, as n8n prunes its own data" },
	[EXPIRY_FILES] = { "file by file, each by its own last use",
			   " and does not expire as a whole: each file does, by its own last use" },
	[EXPIRY_PINNED] = { "never, because it is pinned",
			    " and does not expire because it is pinned" },
	[EXPIRY_NEVER] = { "never, because its time-to-live is \"never\"",
			   " and does not expire because its time-to-live is \"never\"" },
	[EXPIRY_OVERDUE] = { "", ", but " },
	[EXPIRY_AHEAD] = { "", " and expires " },
};

static enum expiry expiry_of(const json_t *e, double now)
{
	const char *lifetime = field_text(e, "lifetime");

	if (strcmp(lifetime, "external") == 0)
		return EXPIRY_EXTERNAL;
	if (strcmp(lifetime, "files") == 0)
		return EXPIRY_FILES;
	if (field_bool(e, "pinned"))
		return EXPIRY_PINNED;
	if (!field_has_number(e, "expires"))
		return EXPIRY_NEVER;
	return field_number(e, "expires") <= now ? EXPIRY_OVERDUE : EXPIRY_AHEAD;
}

static void print_overdue(FILE *out, const json_t *e, double now)
{
	char ago[SAY_MAX];
	int64_t open = field_int(e, "open");

	(void)fprintf(out, "its time was over %s ago: ",
		      say_duration(now - field_number(e, "expires"), ago, sizeof(ago)));
	if (open > 0)
		(void)fprintf(out, "it goes when its %" PRId64 " open file%s closed", open,
			      open == 1 ? " is" : "s are");
	else
		(void)fprintf(out, "it goes as soon as no process has a file of it open or mapped");
}

static void print_ahead(FILE *out, const json_t *e, double now)
{
	char at[SAY_MAX], in[SAY_MAX];
	double expires = field_number(e, "expires");

	(void)fprintf(out, "in %s, at %s, unless it is used before",
		      say_duration(expires - now, in, sizeof(in)),
		      say_time(expires, at, sizeof(at)));
}

static void print_expiry(FILE *out, const char *start, const json_t *e, double now)
{
	enum expiry kind = expiry_of(e, now);

	(void)fputs(start, out);
	if (kind == EXPIRY_OVERDUE)
		print_overdue(out, e, now);
	else if (kind == EXPIRY_AHEAD)
		print_ahead(out, e, now);
}

void sentence_expiry(FILE *out, const json_t *e, double now)
{
	print_expiry(out, expiry_text[expiry_of(e, now)].when, e, now);
}

void sentence_alive(FILE *out, const json_t *e, double now)
{
	char text[SAY_MAX];
	int64_t open = field_int(e, "open");

	(void)fprintf(out, "%s is alive", field_text(e, "execution"));
	print_expiry(out, expiry_text[expiry_of(e, now)].clause, e, now);
	(void)fprintf(out, ": ");
	if (field_has_number(e, "ttl"))
		(void)fprintf(out, "time-to-live of %s, ",
			      say_duration(field_number(e, "ttl"), text, sizeof(text)));
	print_facts(out, e, now);
	if (open > 0)
		(void)fprintf(out, ", %" PRId64 " open", open);
	(void)fprintf(out, ".\n");
}

/* "because its time-to-live of 30m was over" */
static void print_reason(FILE *out, const json_t *release)
{
	const char *reason = field_text(release, "reason");
	const json_t *by = json_object_get(release, "by");
	char text[SAY_MAX];

	if (strcmp(reason, "expired") == 0 && field_has_number(release, "ttl")) {
		(void)fprintf(out, "because its time-to-live of %s was over",
			      say_duration(field_number(release, "ttl"), text, sizeof(text)));
	} else if (strcmp(reason, "expired") == 0) {
		(void)fprintf(out, "because its time was over");
	} else if (strcmp(reason, "released") == 0 && json_is_object(by)) {
		(void)fprintf(out, "because ");
		print_owner(out, by);
		(void)fprintf(out, " released it");
	} else if (strcmp(reason, "released") == 0) {
		(void)fprintf(out, "on request");
	} else if (strcmp(reason, "empty") == 0) {
		(void)fprintf(out, "because its last file was removed");
	} else if (strcmp(reason, "evicted") == 0) {
		(void)fprintf(out, "because the store needed room");
	} else if (strcmp(reason, "removed") == 0) {
		(void)fprintf(out, "because its files were removed or moved away");
	} else if (strcmp(reason, "unrecorded") == 0) {
		(void)fprintf(
			out,
			"when batonfs had been killed, by whom or what was not written down any more");
	} else {
		(void)fprintf(out, "for the reason \"");
		print_plain(out, reason);
		(void)fputc('"', out);
	}
}

void sentence_release(FILE *out, const char *id, const json_t *release, double now)
{
	const char *path = field_text(release, "path");
	char ago[SAY_MAX];

	if (*path) {
		(void)fprintf(out, "The file ");
		print_plain(out, path);
		(void)fprintf(out, " of %s", id);
	} else {
		(void)fprintf(out, "%s", id);
	}
	(void)fprintf(out, " was released %s ago ",
		      say_duration(now - field_number(release, "released"), ago, sizeof(ago)));
	print_reason(out, release);
	(void)fprintf(out, ": ");
	print_facts(out, release, now);
	(void)fprintf(out, ".\n");
}

void sentence_why(FILE *out, const json_t *why, double now)
{
	const char *id = field_text(why, "execution");
	const json_t *alive = json_object_get(why, "now");
	const json_t *release;
	size_t i;

	if (json_is_object(alive))
		sentence_alive(out, alive, now);
	json_array_foreach(json_object_get(why, "releases"), i, release)
		sentence_release(out, id, release, now);
}
