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

static void print_time(const char *label, double when, double now)
{
	char at[SAY_MAX], ago[SAY_MAX];

	(void)printf("%-11s %s (%s ago)\n", label, say_time(when, at, sizeof(at)),
		     say_duration(now - when, ago, sizeof(ago)));
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
