/* SPDX-License-Identifier: MIT */
/*
 * The control files of one mount: read whole, written in one write(2), JSON parsed. Functions return
 * negative errno and print nothing, but for client_open() and those named complain.
 */
#ifndef TOOLS_CLIENT_H
#define TOOLS_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "util/cleanup.h"
#include "util/macro.h"

struct client {
	int dirfd;  /* owned; the directory .baton */
	char *path; /* owned; the mountpoint as it was named */
};

#define CLIENT_NONE                                                                                \
	{                                                                                          \
		.dirfd = -1                                                                        \
	}

/* Find the mount (see mountpoint_find()) and see that it answers. On failure the reason has been printed. */
int client_open(const char *mount_arg, struct client *ret) WARN_UNUSED;

/* The same for a known mountpoint, silently: -ENOENT if no batonfs is there, -ENOTCONN if its daemon died. */
int client_open_at(const char *path, struct client *ret) WARN_UNUSED;
void client_done(struct client *c);

/* Is `id` an execution ID? 1 to BATON_ID_MAX of A-Z a-z 0-9 . _ - and neither "." nor "..". */
bool client_id_ok(const char *id);

/* Print what is wrong with `id`, if anything. */
bool client_check_id(const char *command, const char *id) WARN_UNUSED;

/* `file` is relative to .baton. Text comes NUL-terminated, without its last newline; the caller frees it. */
int client_read(const struct client *c, const char *file, char **ret_text) WARN_UNUSED;

/* -EBADMSG if the file holds no JSON object. */
int client_read_json(const struct client *c, const char *file, json_t **ret) WARN_UNUSED;

/* The whole of executions/ID/execution.json and why/ID. `id` must be valid. */
int client_execution(const struct client *c, const char *id, json_t **ret) WARN_UNUSED;
int client_why(const struct client *c, const char *id, json_t **ret) WARN_UNUSED;

/* Write `text` to `file`, which is relative to .baton. */
int client_write(const struct client *c, const char *file, const char *text) WARN_UNUSED;

/* The same; if it is refused, *ret_reason may be the daemon's line about it, malloc()ed. */
int client_write_reason(const struct client *c, const char *file, const char *text,
			char **ret_reason) WARN_UNUSED;

/* Write `text` to executions/ID/NAME. `id` must be valid. */
int client_set(const struct client *c, const char *id, const char *name, const char *text)
	WARN_UNUSED;

/* Print why `command` failed on execution `id`, and the cure. */
void client_complain(const struct client *c, const char *command, const char *id, int err);

/* Print why reading `file` failed. */
void client_complain_file(const struct client *c, const char *file, int err);

/* Print `value` as one line of JSON; times keep their milliseconds. */
void client_print_json(const json_t *value);

/* A path, or what else is bytes, as JSON: with U+FFFD for what is not UTF-8. A new reference; NULL: no memory. */
json_t *client_json_bytes(const char *bytes);

#define _cleanup_client_ _cleanup_(client_done)
#define _cleanup_json_ _cleanup_(json_decrefp)

#endif
