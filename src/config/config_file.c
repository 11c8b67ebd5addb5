/* SPDX-License-Identifier: MIT */
/*
 * What stands in the environment and in a file.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/option.h"
#include "util/cleanup.h"
#include "util/log.h"

#define VARIABLE_PREFIX "BATONFS_"
#define VARIABLE_FILE VARIABLE_PREFIX "CONFIG"

/* Of a file's name in an error, bytes: so many that the reason has room behind it. */
#define FILE_SHOWN 400

/* ---- the environment ---- */

/* The option that a variable names, NULL if none does. */
static const struct option *find_variable(const char *name, size_t len)
{
	const struct option *o;
	char variable[64];

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (o->help && strlen(option_variable(o, variable, sizeof(variable))) == len &&
		    memcmp(variable, name, len) == 0)
			return o;
	}
	return NULL;
}

/*
 * A name that is no option may be anybody's (Kubernetes makes BATONFS_PORT of a service's name): no error, but said,
 * since it may be a mistake.
 */
static void warn_unknown(struct config *c, const char *name, size_t len)
{
	if (!c->warning[0])
		(void)snprintf(
			c->warning, sizeof(c->warning),
			"environment variable %.*s: no such option, ignoring; batonfs --help "
			"lists them",
			(int)MIN_OF(len, (size_t)64), name);
}

static int say_variable(struct config *c, const char *entry, struct config_error *error)
{
	struct config_place where = { .from = CONFIG_ENVIRONMENT };
	size_t len = strcspn(entry, "=");
	const char *value = entry[len] ? entry + len + 1 : "";
	const struct option *o;
	char variable[64];

	if (!*value || (len == strlen(VARIABLE_FILE) && memcmp(entry, VARIABLE_FILE, len) == 0))
		return 0;
	o = find_variable(entry, len);
	if (!o) {
		warn_unknown(c, entry, len);
		return 0;
	}
	where.name = option_variable(o, variable, sizeof(variable));
	return config_say(c, o->name, value, &where, error);
}

static int read_environment(struct config *c, char *const *envp, struct config_error *error)
{
	for (; *envp; envp++) {
		int r = 0;

		if (strncmp(*envp, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) == 0)
			r = say_variable(c, *envp, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- a file ---- */

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* A # at the beginning, or behind a blank; NULL: there is none. */
static char *find_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == '#' && (p == s || isspace((unsigned char)p[-1])))
			return p;
	}
	return NULL;
}

static void cut_comment(char *s)
{
	char *comment = find_comment(s);

	if (comment)
		*comment = '\0';
}

/* A value without its quotes and what follows them; NULL: they are not closed, or more than a comment follows. */
static char *value_of(char *s)
{
	char *end;

	s = trim(s);
	if (*s != '"' && *s != '\'') {
		cut_comment(s);
		return trim(s);
	}
	end = strchr(s + 1, *s);
	if (!end)
		return NULL;
	*end++ = '\0';
	if (*end && !isspace((unsigned char)*end))
		return NULL;
	cut_comment(end);
	return *trim(end) ? NULL : s + 1;
}

/* Editors of other systems write one before the first line; it cannot be seen, and would be part of a name. */
static char *behind_byte_order_mark(char *line)
{
	static const char mark[] = "\xef\xbb\xbf";

	return strncmp(line, mark, strlen(mark)) == 0 ? line + strlen(mark) : line;
}

static int say_line(struct config *c, char *line, const struct config_place *where,
		    struct config_error *error)
{
	char *key = trim(line);
	char *equals = strchr(key, '=');
	char *comment = find_comment(key);
	char *value = NULL;

	if (!*key || comment == key)
		return 0;
	if (equals && (!comment || equals < comment)) {
		*equals = '\0';
		key = trim(key);
		value = value_of(equals + 1);
		if (!value)
			return config_fail(error, where,
					   "option '%s': a value in quotes ends with the line, or "
					   "with a # behind it",
					   key);
	} else {
		cut_comment(key);
		key = trim(key);
	}
	if (value && strcmp(key, "OPTIONS") == 0)
		return config_say_list(c, value, where, error);
	return config_say(c, strcmp(key, "SOURCE") == 0 ? "source" : key, value, where, error);
}

static int read_lines(struct config *c, FILE *f, struct config_error *error)
{
	struct config_place where = { .from = CONFIG_FILE, .name = c->file };
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, f)) >= 0) {
		int r;

		where.line++;
		if ((size_t)n != strlen(line))
			return config_fail(error, &where,
					   "the line has a NUL in it; this is no text");
		r = say_line(c, where.line == 1 ? behind_byte_order_mark(line) : line, &where,
			     error);
		if (r < 0)
			return r;
	}
	if (!ferror(f))
		return 0;
	(void)snprintf(error->text, sizeof(error->text), "%.*s: cannot be read: %s", FILE_SHOWN,
		       c->file, strerror(errno));
	return -EIO;
}

static int read_file(struct config *c, struct config_error *error)
{
	_cleanup_fclose_ FILE *f = fopen(c->file, "re");
	int err = -errno;

	if (f)
		return read_lines(c, f, error);
	(void)snprintf(error->text, sizeof(error->text), "%.*s: cannot be read: %s", FILE_SHOWN,
		       c->file, strerror(-err));
	return err;
}

/* ---- which file ---- */

/* Whether it has a part "." or "..". */
static bool has_dots(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 || len == 2) && strspn(path, ".") == len)
			return true;
		path += len + (path[len] == '/');
	}
	return false;
}

/* The mountpoint without double, first and last slashes; false: it cannot be known without looking, or is too long. */
static bool plain_path(const char *path, char ret[PATH_MAX])
{
	_cleanup_free_ char *resolved = NULL;
	size_t n = 0;

	if (path[0] != '/' || has_dots(path)) {
		resolved = realpath(path, NULL);
		if (!resolved)
			return false; /* whoever mounts there says so */
		path = resolved;
	}
	for (; *path; path++) {
		if (*path == '/' && (n == 0 || path[1] == '/' || !path[1]))
			continue;
		if (n + 1 >= PATH_MAX)
			return false;
		ret[n++] = *path;
	}
	ret[n] = '\0';
	return true;
}

/* As `systemd-escape --path` does. */
static bool escape(const char *path, char ret[NAME_MAX])
{
	size_t n = 0;

	for (const char *p = path; *p; p++) {
		unsigned char ch = (unsigned char)*p;

		if (n + 5 >= NAME_MAX)
			return false;
		if (ch == '/')
			ret[n++] = '-';
		else if (isalnum(ch) || ch == ':' || ch == '_' || (ch == '.' && p != path))
			ret[n++] = (char)ch;
		else
			n += (size_t)snprintf(ret + n, 5, "\\x%02x", ch);
	}
	if (n == 0)
		ret[n++] = '-';
	ret[n] = '\0';
	return true;
}

/* Also a link that leads nowhere: to go on without what it should be would be another store, and nobody told. */
static bool is_there(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The first of both that is there; "" if none is. */
static void find_file(struct config *c, const char *etc)
{
	char path[PATH_MAX];
	char name[NAME_MAX];
	int n;

	if (!plain_path(c->mountpoint, path))
		return;
	n = snprintf(c->file, sizeof(c->file), "%s/%s.conf", etc, path);
	if (n > 0 && (size_t)n < sizeof(c->file) && path[0] && is_there(c->file))
		return;
	n = escape(path, name) ? snprintf(c->file, sizeof(c->file), "%s/%s.conf", etc, name) : -1;
	if (n <= 0 || (size_t)n >= sizeof(c->file) || !is_there(c->file))
		c->file[0] = '\0';
}

static const char *value_of_variable(char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++) {
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	}
	return "";
}

int config_complete(struct config *c, char *const *envp, const char *etc,
		    struct config_error *error)
{
	const char *named = value_of_variable(envp, VARIABLE_FILE);
	int r;

	if (!c->file[0] && *named && strlen(named) < sizeof(c->file))
		(void)strcpy(c->file, named);
	else if (!c->file[0])
		find_file(c, etc);
	r = read_environment(c, envp, error);
	if (r == 0 && c->file[0])
		r = read_file(c, error);
	return r < 0 ? r : config_check(c, error);
}
