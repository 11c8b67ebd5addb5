/* SPDX-License-Identifier: MIT */
/*
 * baton import [ID]: an execution out of what `baton export` wrote.
 */
#include "baton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "baton/interface.h"
#include "client.h"
#include "say.h"
#include "util/cleanup.h"

static void print_sums(const struct invocation *inv, const char *id,
		       const struct archive_sums *sums)
{
	char usage[SAY_MAX];
	_cleanup_json_ json_t *result = NULL;

	if (!inv->json) {
		(void)printf("%s: imported, %s\n", id,
			     say_usage((int64_t)sums->files, (int64_t)sums->bytes, usage,
				       sizeof(usage)));
		return;
	}
	result =
		json_pack("{s:s, s:I, s:I, s:I}", "execution", id, "files", (json_int_t)sums->files,
			  "bytes", (json_int_t)sums->bytes, "skipped", (json_int_t)sums->skipped);
	client_print_json(result);
}

enum baton_exit cmd_import(const struct invocation *inv)
{
	const char *input = invocation_option(inv, "input");
	const char *file = input && strcmp(input, "-") != 0 ? input : NULL;
	struct archive_wishes wishes = {
		.id = inv->argc > 0 ? inv->argv[0] : NULL,
		.source = file ? file : "standard input",
		.force = invocation_option(inv, "force"),
		.merge = invocation_option(inv, "merge"),
	};
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_close_ int own = -1;
	char id[BATON_ID_MAX + 1] = "";
	struct archive_sums sums;
	int r;

	if (wishes.id && strchr(wishes.id, '/')) {
		say_error("import %s: not an execution ID: a file to read is named with -i FILE",
			  wishes.id);
		return BATON_USAGE;
	}
	if (wishes.id && !client_check_id("import", wishes.id))
		return BATON_USAGE;
	if (wishes.force && wishes.merge) {
		say_error("import: --force and --merge exclude each other");
		return BATON_USAGE;
	}
	if (file) {
		own = open(file, O_RDONLY | O_CLOEXEC);
		if (own < 0) {
			say_error("import %s: %s", file, strerror(errno));
			return BATON_FAILED;
		}
	} else if (isatty(STDIN_FILENO)) {
		say_error("import: standard input is a terminal: say what to read with -i FILE");
		return BATON_USAGE;
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = archive_import(&c, own < 0 ? STDIN_FILENO : own, &wishes, id, &sums);
	if (r == -ENOMEM)
		say_error("import %s: %s", id, strerror(ENOMEM));
	if (r < 0)
		return BATON_FAILED;
	print_sums(inv, id, &sums);
	return BATON_OK;
}
