/* SPDX-License-Identifier: MIT */
/*
 * baton stat ID: one living execution.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "say.h"
#include "sentence.h"
#include "util/clock.h"
#include "util/parse.h"

static void print_time(const char *label, double when, double now)
{
	char at[SAY_MAX], ago[SAY_MAX];

	(void)printf("%-11s %s (%s ago)\n", label, say_time(when, at, sizeof(at)),
		     say_duration(now - when, ago, sizeof(ago)));
}

/* "1.50 MiB of 2.00 MiB, 3 of 100 files" */
static void print_limits(const json_t *e)
{
	char used[SAY_MAX], limit[SAY_MAX];
	bool bytes = field_has_number(e, "limit_bytes");
	bool files = field_has_number(e, "limit_files");

	if (!bytes && !files)
		return;
	(void)printf("%-11s ", "Limits:");
	if (bytes)
		(void)printf("%s of %s",
			     format_size((uint64_t)field_int(e, "bytes"), used, sizeof(used)),
			     format_size((uint64_t)field_int(e, "limit_bytes"), limit,
					 sizeof(limit)));
	if (files)
		(void)printf("%s%" PRId64 " of %" PRId64 " files", bytes ? ", " : "",
			     field_int(e, "files"), field_int(e, "limit_files"));
	(void)printf("\n");
}

static void print_execution(const json_t *e)
{
	double now = (double)clock_real_ns() / NS_PER_S;
	const json_t *owner = json_object_get(e, "owner");
	char text[SAY_MAX], user[SAY_MAX];

	(void)printf("%-11s %s\n", "Execution:", field_text(e, "execution"));
	(void)printf("%-11s %s\n", "State:", field_text(e, "state"));
	(void)printf("%-11s %s, user %s, gid %" PRId64 "\n",
		     "Owner:", say_owner(owner, text, sizeof(text)),
		     say_user(field_int(owner, "uid"), user, sizeof(user)),
		     field_int(owner, "gid"));
	print_time("Created:", field_number(e, "created"), now);
	print_time("Active:", field_number(e, "active"), now);
	(void)printf("%-11s %s (%" PRId64 " bytes), %" PRId64 " open\n", "Contents:",
		     say_usage(field_int(e, "files"), field_int(e, "bytes"), text, sizeof(text)),
		     field_int(e, "bytes"), field_int(e, "open"));
	print_limits(e);
	(void)printf("%-11s %s\n", "TTL:",
		     field_has_number(e, "ttl")
			     ? say_duration(field_number(e, "ttl"), text, sizeof(text))
			     : "never");
	(void)printf("%-11s %s\n", "Pinned:", field_bool(e, "pinned") ? "yes" : "no");
	(void)printf("%-11s ", "Expires:");
	sentence_expiry(stdout, e, now);
	(void)printf("\n");
}

enum baton_exit cmd_stat(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *e = NULL;
	const char *id = inv->argv[0];
	int r;

	if (!client_check_id(inv->name, id))
		return BATON_USAGE;
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_execution(&c, id, &e);
	if (r < 0) {
		client_complain(&c, inv->name, id, r);
		return BATON_FAILED;
	}
	if (inv->json)
		client_print_json(e);
	else
		print_execution(e);
	return BATON_OK;
}
