/* SPDX-License-Identifier: MIT */
/*
 * What commands on several executions share: every ID is checked before anything is done, every one is
 * tried, and each failure is one line.
 */
#ifndef TOOLS_EACH_H
#define TOOLS_EACH_H

#include "baton.h"
#include "client.h"

/*
 * Run `one` for each argument. It prints its result, or with inv->json gives it in ret_result; all
 * results are then printed as {"executions":[...]}. Its negative errno is complained of here.
 */
enum baton_exit each_id(const struct invocation *inv,
			int (*one)(const struct client *c, const struct invocation *inv,
				   const char *id, json_t **ret_result));

#endif
