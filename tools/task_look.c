/* SPDX-License-Identifier: MIT */
#include "task_look.h"

#include <string.h>

#include "field.h"
#include "util/macro.h"

static const struct {
	const char *command;
	const char *task;
	const char *unit;
	const char *what;
} texts[] = {
	{ "fsck", "check", "files", "checking" },
	{ "fsck", "check", "contents", "checking" },
	{ "gc", "contents", "contents", "looking" },
	{ "gc", "unused", "contents", "removing" },
};

static bool is_of(const json_t *task, const char *command, struct progress_view *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strcmp(texts[i].command, command) != 0 ||
		    strcmp(texts[i].task, field_text(task, "task")) != 0 ||
		    strcmp(texts[i].unit, field_text(task, "unit")) != 0)
			continue;
		*ret = (struct progress_view){
			.what = texts[i].what,
			.unit = texts[i].unit,
			.done = (uint64_t)field_int(task, "done"),
			.whole = (uint64_t)field_int(task, "whole"),
		};
		return true;
	}
	return false;
}

bool task_look_at(void *arg, struct progress_view *ret)
{
	const struct task_look *look = arg;
	_cleanup_json_ json_t *progress = NULL;
	const json_t *task;
	size_t i;

	if (client_read_json(look->client, "progress.json", &progress) < 0)
		return false; /* an older daemon */
	json_array_foreach(json_object_get(progress, "tasks"), i, task)
	{
		if (is_of(task, look->command, ret))
			return true;
	}
	return false;
}
