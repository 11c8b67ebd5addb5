/* SPDX-License-Identifier: MIT */
/*
 * Read and written with the table of options.
 */
#include "config/config_record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/option.h"

void config_record_format(const struct config *c, size_t option, char buf[CONFIG_RECORD_MAX])
{
	const struct config_origin *origin = &c->origins[option];
	const struct option *o = option_at(option);
	char value[PATH_MAX];

	(void)snprintf(buf, CONFIG_RECORD_MAX, "%d %u %s %s", (int)origin->from, origin->line,
		       o->name, option_format(o, c, value, sizeof(value)));
}

PRINTF(3, 4) static int fail(struct config_error *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return err;
}

int config_record_say(struct config *c, const char *record, struct config_error *error)
{
	struct config_place where = { .name = c->file };
	char name[64];
	int from;
	int at;

	if (sscanf(record, "%d %u %63s %n", &from, &where.line, name, &at) != 3)
		return fail(error, -EINVAL, "option %s is not understood", record);
	where.from = (enum config_from)MIN_OF((unsigned int)from, (unsigned int)CONFIG_CHANGED);
	if (!option_find(name))
		return fail(error, -ENOENT, "option %s=%s is not known any more", name,
			    record + at);
	return config_say(c, name, record + at, &where, error);
}
