/* SPDX-License-Identifier: MIT */
/*
 * baton release ID...: each ID is tried, whatever became of the one before. What was released is read
 * before, since it is gone after.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>

#include "client.h"
#include "each.h"
#include "field.h"
#include "progress.h"
#include "say.h"

static int release_one(const struct client *c, const struct invocation *inv, const char *id,
		       json_t **ret_result)
{
	_cleanup_json_ json_t *e = NULL;
	struct progress_clock clock;
	char usage[SAY_MAX];
	int r = client_execution(c, id, &e);

	if (r < 0)
		return r;
	progress_clock_begin(&clock, "releasing");
	r = client_set(c, id, "release", "1");
	progress_clock_end(&clock);
	if (r < 0)
		return r;
	if (inv->json) {
		*ret_result = json_pack("{s:s, s:b, s:I, s:I}", "execution", id, "released", 1,
					"bytes", (json_int_t)field_int(e, "bytes"), "files",
					(json_int_t)field_int(e, "files"));
		return *ret_result ? 0 : -ENOMEM;
	}
	(void)printf("%s: released, %s\n", id,
		     say_usage(field_int(e, "files"), field_int(e, "bytes"), usage, sizeof(usage)));
	return 0;
}

enum baton_exit cmd_release(const struct invocation *inv)
{
	return each_id(inv, release_one);
}
