/* SPDX-License-Identifier: MIT */
/*
 * baton why ID: when a living execution expires, and why released ones are gone.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>

#include "client.h"
#include "say.h"
#include "sentence.h"
#include "util/clock.h"

enum baton_exit cmd_why(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *why = NULL;
	const char *id = inv->argv[0];
	int r;

	if (!client_check_id(inv->name, id))
		return BATON_USAGE;
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_why(&c, id, &why);
	if (r == -ENOENT) {
		say_error(
			"why %s: nothing is known of %s at %s: it never had a file there, or it is long gone",
			id, id, c.path);
		return BATON_FAILED;
	}
	if (r < 0) {
		client_complain(&c, inv->name, id, r);
		return BATON_FAILED;
	}
	if (inv->json)
		client_print_json(why);
	else
		sentence_why(stdout, why, (double)clock_real_ns() / NS_PER_S);
	return BATON_OK;
}
