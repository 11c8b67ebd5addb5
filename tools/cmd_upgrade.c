/* SPDX-License-Identifier: MIT */
/*
 * baton upgrade: have the program that is installed now take over the mount.
 */
#include "baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "progress.h"
#include "say.h"

/* Older daemons that were killed before they had asked leave what looks like an answer: see that it was done. */
#define TRIES 3

static bool has_been_upgraded(const json_t *before, const json_t *after)
{
	return field_int(after, "upgrades") > field_int(before, "upgrades");
}

/* 0; -errno and it was said why. */
static int upgrade(const struct client *c, const json_t *before, json_t **ret_after)
{
	for (int i = 0; i < TRIES; i++) {
		_cleanup_free_ char *reason = NULL;
		_cleanup_json_ json_t *after = NULL;
		struct progress_clock clock;
		int r;

		progress_clock_begin(&clock, "upgrading");
		r = client_write_reason(c, "upgrade", "now", &reason);
		progress_clock_end(&clock);
		if (r == -EACCES)
			say_error("upgrade: only root may upgrade; try with sudo");
		else if (r < 0)
			say_error("upgrade: %s", reason ? reason : strerror(-r));
		if (r < 0)
			return r;
		r = client_read_json(c, "status.json", &after);
		if (r < 0) {
			client_complain_file(c, "status.json", r);
			return r;
		}
		if (has_been_upgraded(before, after)) {
			*ret_after = TAKE_PTR(after);
			return 0;
		}
	}
	say_error("upgrade: the daemon says that it is done, but it is not");
	return -EIO;
}

static int print(const struct client *c, const json_t *before, const json_t *after, bool json)
{
	_cleanup_json_ json_t *object = NULL;
	const char *from = field_text(before, "version");
	const char *to = field_text(after, "version");

	if (!json) {
		(void)printf("%s: %s%s%s\n", c->path, from, strcmp(from, to) == 0 ? "" : " -> ",
			     strcmp(from, to) == 0 ? ", started anew" : to);
		return 0;
	}
	object = json_pack("{s:o,s:s,s:s}", "mountpoint", client_json_bytes(c->path), "before",
			   from, "version", to);
	if (!object)
		return -ENOMEM;
	client_print_json(object);
	return 0;
}

enum baton_exit cmd_upgrade(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	int r;

	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_read_json(&c, "status.json", &before);
	if (r < 0)
		client_complain_file(&c, "status.json", r);
	if (r < 0 || upgrade(&c, before, &after) < 0)
		return BATON_FAILED;
	if (print(&c, before, after, inv->json) < 0) {
		say_error("upgrade: %s", strerror(ENOMEM));
		return BATON_FAILED;
	}
	return BATON_OK;
}
