/* SPDX-License-Identifier: MIT */
/*
 * Read and written with the table of options.
 */
#include "config/config_record.h"

#include <errno.h>
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

int config_record_say(struct config *c, const char *record, struct config_error *error)
{
	struct config_place where = { .from = CONFIG_CHANGED, .name = c->file };
	char name[64];
	int from;
	int at;

	if (sscanf(record, "%d %u %63s %n", &from, &where.line, name, &at) != 3)
		return config_fail(error, &where, "option %s is not understood", record);
	if (!option_find(name)) {
		(void)config_fail(error, &where, "option %s=%s is not known any more", name,
				  record + at);
		return -ENOENT;
	}
	where.from = (enum config_from)MIN_OF((unsigned int)from, (unsigned int)CONFIG_CHANGED);
	return config_say(c, name, record + at, &where, error);
}
