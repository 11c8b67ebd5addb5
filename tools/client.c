/* SPDX-License-Identifier: MIT */
/*
 * Everything is reached through one descriptor of .baton, so that all of a command sees the same mount.
 * No path is built from an ID that client_id_ok() has not passed.
 */
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "baton/interface.h"
#include "field.h"
#include "mountpoint.h"
#include "progress.h"
#include "say.h"
#include "util/printable.h"
#include "util/utf8.h"

/* Longest path below .baton: "executions/ID/execution.json" with its NUL, rounded up. */
#define CLIENT_PATH_MAX (BATON_ID_MAX + 64)

/* Digits kept of a number: seconds since the epoch to the microsecond. */
#define CLIENT_JSON_DIGITS 16

/* A daemon that dies while it is asked fails that request with ECONNABORTED, and all later ones with ENOTCONN. */
static int mount_errno(void)
{
	return errno == ECONNABORTED ? -ENOTCONN : -errno;
}

static int open_control_dir(const char *path)
{
	_cleanup_free_ char *dir = NULL;
	int fd;

	if (asprintf(&dir, "%s/%s", path, BATON_DIR) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? mount_errno() : fd;
}

int client_open_at(const char *path, struct client *ret)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_free_ char *version = NULL;
	int r;

	c.path = strdup(path);
	if (!c.path)
		return -ENOMEM;
	c.dirfd = open_control_dir(path);
	if (c.dirfd < 0)
		return c.dirfd;
	r = client_read(&c, "version", &version);
	if (r < 0)
		return r;
	assert(version);
	if (strncmp(version, "batonfs ", strlen("batonfs ")) != 0)
		return -ENOENT;
	*ret = c;
	c = (struct client)CLIENT_NONE;
	return 0;
}

int client_open(const char *mount_arg, struct client *ret)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *waiting = NULL;
	struct progress_clock clock;
	int r = mountpoint_find(mount_arg, &path);

	if (r < 0)
		return r;
	if (asprintf(&waiting, "waiting for %s to answer", path) < 0) {
		waiting = NULL;
		return -ENOMEM;
	}
	progress_clock_begin(&clock, printable(waiting));
	r = client_open_at(path, ret);
	progress_clock_end(&clock);
	if (r == -ENOENT || r == -ENOTDIR)
		say_error("%s: no batonfs is mounted there (%s/version is missing)", path,
			  BATON_DIR);
	else if (r == -ENOTCONN)
		say_error("%s: the daemon is gone: unmount (`umount -l %s`) and mount again", path,
			  path);
	else if (r < 0)
		say_error("%s: %s", path, strerror(-r));
	return r;
}

void client_done(struct client *c)
{
	c->dirfd = safe_close(c->dirfd);
	free(c->path);
	c->path = NULL;
}

bool client_id_ok(const char *id)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(id);

	return len >= 1 && len <= BATON_ID_MAX && strspn(id, allowed) == len &&
	       strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

bool client_check_id(const char *command, const char *id)
{
	if (client_id_ok(id))
		return true;
	say_error("%s %s: not an execution ID: 1 to %d of A-Z a-z 0-9 . _ -", command, id,
		  BATON_ID_MAX);
	return false;
}

/* Read to the end; a control file says no size in advance. */
static int read_all(int fd, char **ret_text)
{
	_cleanup_free_ char *text = NULL;
	size_t room = 0;
	size_t len = 0;

	for (;;) {
		ssize_t n;

		if (room - len < 2) {
			char *grown = realloc(text, room ? room * 2 : 4096);

			if (!grown)
				return -ENOMEM;
			room = room ? room * 2 : 4096;
			text = grown;
		}
		n = read(fd, text + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mount_errno();
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	*ret_text = TAKE_PTR(text);
	return 0;
}

int client_read(const struct client *c, const char *file, char **ret_text)
{
	_cleanup_close_ int fd = openat(c->dirfd, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return mount_errno();
	return read_all(fd, ret_text);
}

int client_read_json(const struct client *c, const char *file, json_t **ret)
{
	_cleanup_free_ char *text = NULL;
	json_t *value;
	int r = client_read(c, file, &text);

	if (r < 0)
		return r;
	value = json_loads(text, 0, NULL);
	if (!json_is_object(value)) {
		json_decref(value);
		return -EBADMSG;
	}
	*ret = value;
	return 0;
}

static void execution_path(char *buf, const char *id, const char *name)
{
	assert(client_id_ok(id));
	(void)snprintf(buf, CLIENT_PATH_MAX, "executions/%s/%s", id, name);
}

int client_execution(const struct client *c, const char *id, json_t **ret)
{
	char path[CLIENT_PATH_MAX];

	execution_path(path, id, "execution.json");
	return client_read_json(c, path, ret);
}

int client_why(const struct client *c, const char *id, json_t **ret)
{
	char path[CLIENT_PATH_MAX];

	assert(client_id_ok(id));
	(void)snprintf(path, sizeof(path), "why/%s", id);
	return client_read_json(c, path, ret);
}

int client_write(const struct client *c, const char *file, const char *text)
{
	_cleanup_close_ int fd = openat(c->dirfd, file, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return mount_errno();
	n = write(fd, text, strlen(text));
	if (n < 0)
		return mount_errno();
	return (size_t)n == strlen(text) ? 0 : -EIO;
}

int client_write_reason(const struct client *c, const char *file, const char *text,
			char **ret_reason)
{
	_cleanup_close_ int fd = openat(c->dirfd, file, O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return mount_errno();
	errno = 0;
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return 0;
	err = errno ? mount_errno() : -EIO;
	if (lseek(fd, 0, SEEK_SET) < 0 || read_all(fd, ret_reason) < 0)
		*ret_reason = NULL;
	return err;
}

int client_set(const struct client *c, const char *id, const char *name, const char *text)
{
	char path[CLIENT_PATH_MAX];

	execution_path(path, id, name);
	return client_write(c, path, text);
}

/* Nobody may, or only its owner? What it says of itself tells. */
static void complain_refused(const struct client *c, const char *command, const char *id, int err)
{
	_cleanup_json_ json_t *e = NULL;
	const char *lifetime = client_execution(c, id, &e) == 0 ? field_text(e, "lifetime") : "";

	if (strcmp(lifetime, "external") == 0)
		say_error("%s %s: %s: its lifetime is up to n8n, which prunes its own data",
			  command, id, strerror(-err));
	else if (strcmp(lifetime, "files") == 0)
		say_error("%s %s: %s: these are files that expire one by one, and no execution",
			  command, id, strerror(-err));
	else if (e && (err == -EACCES || err == -EPERM))
		say_error("%s %s: permission denied: it belongs to uid %" PRId64, command, id,
			  field_int(json_object_get(e, "owner"), "uid"));
	else
		say_error("%s %s: %s", command, id, strerror(-err));
}

void client_complain(const struct client *c, const char *command, const char *id, int err)
{
	switch (-err) {
	case ENOENT:
		say_error(
			"%s %s: no execution %s at %s: `baton ls` lists them, `baton why %s` tells what became "
			"of it",
			command, id, id, c->path, id);
		return;
	case ENOTCONN:
		say_error("%s %s: the daemon of %s is gone: unmount it and mount again", command,
			  id, c->path);
		return;
	case EBADMSG:
		say_error(
			"%s %s: %s answers with something that is no JSON object: is the client older?",
			command, id, c->path);
		return;
	default:
		complain_refused(c, command, id, err);
		return;
	}
}

void client_complain_file(const struct client *c, const char *file, int err)
{
	say_error("%s/%s/%s: %s%s", c->path, BATON_DIR, file,
		  err == -EBADMSG ? "not what this client understands: is it older?"
				  : strerror(-err),
		  err == -EACCES ? ": only root may; try with sudo" : "");
}

void client_print_json(const json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(CLIENT_JSON_DIGITS));
	(void)fputc('\n', stdout);
}

json_t *client_json_bytes(const char *bytes)
{
	_cleanup_free_ char *text = utf8_dup(bytes, strlen(bytes));

	return text ? json_string(text) : NULL;
}
