/* SPDX-License-Identifier: MIT */
/*
 * baton fsck [--repair]: whether files that share their content, the shared content and the ledger agree.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "progress.h"
#include "say.h"
#include "task_look.h"
#include "util/cleanup.h"
#include "util/macro.h"
#include "util/printable.h"

#define FILE_NAME "check.json"

static const struct {
	const char *problem;
	const char *text;
} texts[] = {
	{ "damaged-mark", "its mark names no shared content" },
	{ "stale-mark", "it has the mark of content that it had before" },
	{ "not-punched", "it takes space beside its shared content" },
	{ "no-blob", "its shared content is missing: what is in it is lost, remove it" },
	{ "ledger", "the ledger does not know what it shares" },
	{ "unused-blob", "shared content that no file has" },
	{ "foreign", "something in the store's blobs/ that batonfs did not put there" },
};

static const char *say_problem(const char *problem)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strcmp(texts[i].problem, problem) == 0)
			return texts[i].text;
	}
	return problem; /* of a newer daemon */
}

static void print_check(const json_t *check)
{
	const json_t *list = json_object_get(check, "list");
	const json_t *p;
	size_t i;

	json_array_foreach(list, i, p)
	{
		_cleanup_free_ char *path = strdup(field_text(p, "path"));

		(void)printf("%s: %s\n", path ? printable(path) : "?",
			     say_problem(field_text(p, "problem")));
	}
	if ((size_t)field_int(check, "problems") > json_array_size(list))
		(void)printf("... and %" PRId64 " more\n",
			     field_int(check, "problems") - (int64_t)json_array_size(list));
	(void)printf("%" PRId64 " files, %" PRId64 " of them share %" PRId64 " contents: %" PRId64
		     " problems\n",
		     field_int(check, "files"), field_int(check, "stubs"),
		     field_int(check, "blobs"), field_int(check, "problems"));
}

static int check(const struct client *c, json_t **ret)
{
	struct task_look look = { .client = c, .command = "fsck" };
	struct progress_clock clock;
	int r;

	progress_clock_look(&clock, "checking", task_look_at, &look);
	r = client_read_json(c, FILE_NAME, ret);
	progress_clock_end(&clock);
	if (r == 0 && !field_bool(*ret, "ready"))
		r = -EAGAIN;
	if (r == -EAGAIN)
		say_error("fsck: the tree is still being walked after an unclean end: try again "
			  "in a while");
	else if (r < 0)
		client_complain_file(c, FILE_NAME, r);
	return r;
}

/* What is wrong is told before it is repaired, and what is left afterwards. */
static int repair(const struct client *c, const struct invocation *inv, json_t **result)
{
	int64_t before = field_int(*result, "problems");
	struct task_look look = { .client = c, .command = "fsck" };
	struct progress_clock clock;
	int r;

	if (before == 0)
		return 0;
	if (!inv->json)
		print_check(*result);
	progress_clock_look(&clock, "repairing", task_look_at, &look);
	r = client_write(c, FILE_NAME, "repair");
	progress_clock_end(&clock);
	if (r < 0) {
		client_complain_file(c, FILE_NAME, r);
		return r;
	}
	json_decref(*result);
	*result = NULL;
	r = check(c, result);
	if (r == 0 && !inv->json)
		(void)printf("repaired %" PRId64 "; left:\n",
			     before - field_int(*result, "problems"));
	return r;
}

enum baton_exit cmd_fsck(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *result = NULL;
	int r;

	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = check(&c, &result);
	if (r == 0 && invocation_option(inv, "repair"))
		r = repair(&c, inv, &result);
	if (r < 0)
		return BATON_FAILED;
	if (inv->json)
		client_print_json(result);
	else
		print_check(result);
	return field_int(result, "problems") > 0 ? BATON_FAILED : BATON_OK;
}
