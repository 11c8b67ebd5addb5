/* SPDX-License-Identifier: MIT */
/*
 * How far the daemon is with what a command waits for, as .baton/progress.json says.
 */
#ifndef TOOLS_TASK_LOOK_H
#define TOOLS_TASK_LOOK_H

#include "client.h"
#include "progress.h"

struct task_look {
	const struct client *client; /* borrowed */
	const char *command;	     /* "gc" or "fsck" */
};

/* Of a struct task_look; see progress_look_fn. */
bool task_look_at(void *arg, struct progress_view *ret);

#endif
