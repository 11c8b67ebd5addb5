/* SPDX-License-Identifier: MIT */
/*
 * Who looks, and whether he may know of an execution: with `privacy` everybody knows of his own only, but root and the
 * user who mounted of all. Permission to read and write is not this header's business: modes say that, and the kernel
 * checks them.
 */
#ifndef EXEC_VIEWER_H
#define EXEC_VIEWER_H

#include <stdbool.h>
#include <sys/types.h>

#include "exec/rule.h"

/* Of a mount; all zero: everybody knows of everything. */
struct privacy {
	bool on;
	uid_t mounter;
};

/* All zero: sees everything. */
struct viewer {
	bool restricted; /* to what is `uid`'s */
	uid_t uid;
};

static inline struct viewer viewer_of(const struct privacy *p, uid_t uid)
{
	return (struct viewer){ .restricted = p->on && uid != 0 && uid != p->mounter, .uid = uid };
}

static inline bool viewer_sees(const struct viewer *v, uid_t owner)
{
	return !v->restricted || v->uid == owner;
}

/* `_` is nobody's: its owner only came first, and its sums are of what all have at the top. */
static inline bool viewer_sees_execution(const struct viewer *v, enum lifetime lifetime,
					 uid_t owner)
{
	return !v->restricted || (lifetime != LIFETIME_FILES && v->uid == owner);
}

#endif
