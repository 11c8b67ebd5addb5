/* SPDX-License-Identifier: MIT */
/*
 * Words for people. Nothing here reads a control file.
 */
#include "say.h"

#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "field.h"
#include "util/parse.h"
#include "util/printable.h"

void say_error(const char *fmt, ...)
{
	char line[2 * PATH_MAX]; /* a path, and why */
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "baton: %s\n", printable(line));
}

const char *say_duration(double seconds, char *buf, size_t len)
{
	static const struct {
		int64_t seconds;
		int64_t part_seconds;
		char unit;
		char part;
	} scale[] = {
		{ 86400, 3600, 'd', 'h' },
		{ 3600, 60, 'h', 'm' },
		{ 60, 1, 'm', 's' },
	};
	int64_t s;

	if (!(seconds > 0))
		seconds = 0;
	if (seconds > 0 && seconds < 1) {
		(void)snprintf(buf, len, "%d ms", (int)(seconds * 1000 + 0.999));
		return buf;
	}
	s = seconds < 1e15 ? (int64_t)seconds : INT64_C(1000000000000000);
	for (size_t i = 0; i < ARRAY_SIZE(scale); i++) {
		int64_t whole = s / scale[i].seconds;
		int64_t rest = s % scale[i].seconds / scale[i].part_seconds;

		if (whole == 0)
			continue;
		if (rest)
			(void)snprintf(buf, len, "%" PRId64 "%c %" PRId64 "%c", whole,
				       scale[i].unit, rest, scale[i].part);
		else
			(void)snprintf(buf, len, "%" PRId64 "%c", whole, scale[i].unit);
		return buf;
	}
	(void)snprintf(buf, len, "%" PRId64 " s", s);
	return buf;
}

const char *say_time(double when, char *buf, size_t len)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(buf, len, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(buf, len, "%.0f", when);
	return buf;
}

const char *say_usage(int64_t files, int64_t bytes, char *buf, size_t len)
{
	char size[SAY_MAX];

	(void)snprintf(buf, len, "%" PRId64 " file%s, %s", files, files == 1 ? "" : "s",
		       format_size((uint64_t)MAX_OF(bytes, 0), size, sizeof(size)));
	return buf;
}

const char *say_user(int64_t uid, char *buf, size_t len)
{
	char strings[4096];
	struct passwd *found;
	struct passwd pw;

	if (uid >= 0 && uid <= UINT32_MAX &&
	    getpwuid_r((uid_t)uid, &pw, strings, sizeof(strings), &found) == 0 && found)
		(void)snprintf(buf, len, "%s", found->pw_name);
	else
		(void)snprintf(buf, len, "%" PRId64, uid);
	return buf;
}

const char *say_owner(const json_t *owner, char *buf, size_t len)
{
	int64_t pid = field_int(owner, "pid");
	const char *comm = field_text(owner, "comm");
	char who[SAY_MAX] = "";

	if (*comm && pid > 0)
		(void)snprintf(who, sizeof(who), " (%s, pid %" PRId64 ")", comm, pid);
	else if (*comm)
		(void)snprintf(who, sizeof(who), " (%s)", comm);
	else if (pid > 0)
		(void)snprintf(who, sizeof(who), " (pid %" PRId64 ")", pid);
	(void)snprintf(buf, len, "uid %" PRId64 "%s", field_int(owner, "uid"), who);
	return printable(buf);
}
