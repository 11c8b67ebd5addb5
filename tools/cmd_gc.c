/* SPDX-License-Identifier: MIT */
/*
 * baton gc [--now]: what is shared, what that saves, and what could be freed.
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
#include "util/parse.h"

#define FILE_NAME "sharing.json"

static const char *size_of(const json_t *s, const char *key, char *buf)
{
	return format_size((uint64_t)field_int(s, key), buf, SAY_MAX);
}

static void print_sharing(const json_t *s, bool removed)
{
	char a[SAY_MAX], b[SAY_MAX];

	(void)printf("%-10s %" PRId64 " files of %s in %" PRId64 " contents\n",
		     "Shared:", field_int(s, "stubs"), size_of(s, "shared", a),
		     field_int(s, "blobs") - field_int(s, "garbage_blobs"));
	(void)printf("%-10s %s on the store, %s saved\n", "Stored:", size_of(s, "stored", a),
		     size_of(s, "saved", b));
	if (!field_bool(s, "ready"))
		(void)printf("%-10s not known yet: the tree is still being walked\n", "Unused:");
	else
		(void)printf("%-10s %" PRId64 " contents of %s%s\n",
			     "Unused:", field_int(s, "garbage_blobs"), size_of(s, "garbage", a),
			     removed || field_int(s, "garbage_blobs") == 0
				     ? ""
				     : ": free them with `baton gc --now`");
}

enum baton_exit cmd_gc(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *sharing = NULL;
	struct task_look look = { .client = &c, .command = "gc" };
	struct progress_clock clock;
	int r;

	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	progress_clock_look(&clock, "looking at what is shared", task_look_at, &look);
	r = invocation_option(inv, "now") ? client_write(&c, FILE_NAME, "remove") : 0;
	if (r == 0)
		r = client_read_json(&c, FILE_NAME, &sharing);
	progress_clock_end(&clock);
	if (r < 0) {
		client_complain_file(&c, FILE_NAME, r);
		return BATON_FAILED;
	}
	if (inv->json)
		client_print_json(sharing);
	else
		print_sharing(sharing, invocation_option(inv, "now") != NULL);
	return BATON_OK;
}
