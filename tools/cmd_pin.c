/* SPDX-License-Identifier: MIT */
/*
 * baton pin ID... and baton unpin ID...: each ID is tried, whatever became of the one before.
 */
#include "baton.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "each.h"

static int pin_one(const struct client *c, const struct invocation *inv, const char *id,
		   json_t **ret_result)
{
	bool pin = strcmp(inv->name, "pin") == 0;
	int r = client_set(c, id, "pinned", pin ? "1" : "0");

	if (r < 0)
		return r;
	if (inv->json)
		return client_execution(c, id, ret_result);
	(void)printf("%s: %s\n", id,
		     pin ? "pinned, does not expire" : "unpinned, expires as others do");
	return 0;
}

enum baton_exit cmd_pin(const struct invocation *inv)
{
	return each_id(inv, pin_one);
}
