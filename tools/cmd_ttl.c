/* SPDX-License-Identifier: MIT */
/*
 * baton ttl ID [DURATION|never|default]: show or set the time-to-live, then say what it comes to.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "say.h"
#include "sentence.h"
#include "util/clock.h"
#include "util/parse.h"

static bool ttl_ok(const char *text)
{
	int64_t ns;

	return strcmp(text, "never") == 0 || strcmp(text, "default") == 0 ||
	       parse_duration(text, &ns) == 0;
}

static void print_ttl(const json_t *e)
{
	char text[SAY_MAX];

	(void)printf("%s: time-to-live ", field_text(e, "execution"));
	(void)printf("%s; expires ",
		     field_has_number(e, "ttl")
			     ? say_duration(field_number(e, "ttl"), text, sizeof(text))
			     : "never");
	sentence_expiry(stdout, e, (double)clock_real_ns() / NS_PER_S);
	(void)printf("\n");
}

enum baton_exit cmd_ttl(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *e = NULL;
	const char *id = inv->argv[0];
	const char *ttl = inv->argc > 1 ? inv->argv[1] : NULL;
	int r = 0;

	if (!client_check_id(inv->name, id))
		return BATON_USAGE;
	if (ttl && !ttl_ok(ttl)) {
		say_error("ttl %s: %s: not a time-to-live: 90s, 30m, 2h, 7d, never or default", id,
			  ttl);
		return BATON_USAGE;
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	if (ttl)
		r = client_set(&c, id, "ttl", ttl);
	if (r == -ERANGE) {
		say_error("ttl %s: %s: too short or too long for %s", id, ttl, c.path);
		return BATON_FAILED;
	}
	if (r == 0)
		r = client_execution(&c, id, &e);
	if (r < 0) {
		client_complain(&c, inv->name, id, r);
		return BATON_FAILED;
	}
	if (inv->json)
		client_print_json(e);
	else
		print_ttl(e);
	return BATON_OK;
}
