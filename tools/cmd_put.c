/* SPDX-License-Identifier: MIT */
/*
 * baton put ID FILE: a file into an execution, complete or not at all, and its reference on stdout.
 */
#include "baton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "part.h"
#include "say.h"
#include "transfer.h"
#include "util/cleanup.h"

static enum baton_exit fails(const char *what, int err)
{
	say_error("put %s: %s", what, strerror(err));
	return BATON_FAILED;
}

/* The execution's directory: there already if its ID looks like n8n's, else made. */
static int open_execution(const struct client *c, const char *id)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", c->path, id) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static enum baton_exit print_reference(const struct client *c, const char *id, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct invocation ref = { .name = "ref", .argc = 1, .argv = &path };

	if (asprintf(&path, "%s/%s/%s", c->path, id, name) < 0) {
		path = NULL;
		return fails(name, ENOMEM);
	}
	return cmd_ref(&ref);
}

static enum baton_exit put(const struct client *c, const char *id, int from, const char *name)
{
	_cleanup_close_ int dirfd = open_execution(c, id);
	_cleanup_(part_drop) struct part part = PART_NONE;
	uint64_t bytes;
	int r;

	if (dirfd < 0)
		return fails(id, -dirfd);
	r = part_open_at(&part, dirfd, name);
	if (r == 0)
		r = transfer_to_part(from, &part, &bytes);
	if (r == 0)
		r = part_commit(&part);
	if (r < 0)
		return fails(name, -r);
	return print_reference(c, id, name);
}

static bool is_text(const char *name)
{
	_cleanup_json_ json_t *text = json_string(name);

	return text;
}

enum baton_exit cmd_put(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_close_ int own = -1;
	const char *id = inv->argv[0];
	const char *file = inv->argv[1];
	const char *name = inv->argc > 2 ? inv->argv[2] : strrchr(file, '/');
	bool is_stdin = strcmp(file, "-") == 0;

	if (!client_check_id("put", id))
		return BATON_USAGE;
	if (inv->argc == 2)
		name = is_stdin ? "" : name ? name + 1 : file;
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		say_error("put %s: say the file's name in the execution: `baton put %s %s NAME`",
			  file, id, file);
		return BATON_USAGE;
	}
	if (!is_text(name)) {
		say_error("put %s: a name that is not UTF-8 has no reference: say another one: "
			  "`baton put %s %s NAME`",
			  file, id, file);
		return BATON_USAGE;
	}
	if (!is_stdin) {
		own = open(file, O_RDONLY | O_CLOEXEC);
		if (own < 0)
			return fails(file, errno);
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	return put(&c, id, is_stdin ? STDIN_FILENO : own, name);
}
