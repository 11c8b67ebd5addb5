/* SPDX-License-Identifier: MIT */
/*
 * The terminal of `baton top`, by ncurses: no colours, what stands out is reverse or bold, so that it can be read on any.
 */
#ifndef TOOLS_TOP_SCREEN_H
#define TOOLS_TOP_SCREEN_H

#include "client.h"
#include "top.h"

struct top_wishes {
	enum top_sort sort;
	bool reverse;
	int64_t delay_ns;
	long count; /* of moments; 0: until told to end */
};

/* Until it is told to end. t is read once already. 0, -errno (complained of), -ENOTTY (no terminal that can do it). */
int top_screen_run(struct top *t, const struct client *c, const struct top_wishes *wishes)
	WARN_UNUSED;

#endif
