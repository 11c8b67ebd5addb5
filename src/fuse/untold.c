/* SPDX-License-Identifier: MIT */
#include "fuse/untold.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "takeover/format.h"
#include "util/cleanup.h"

struct untold_name {
	_Atomic bool noted; /* written last */
	uint64_t nodeid;    /* of the directory */
	char name[NAME_MAX + 1];
};

/* KEEP_NAMES. */
struct untold_area {
	_Atomic bool overflowed;
	_Atomic uint32_t used; /* names from here on were never written */
	struct untold_name names[UNTOLD_MAX];
};

struct untold {
	struct untold_area *area; /* borrowed; NULL: nothing is written down */
	uint64_t nover;		  /* names that there was no room for, of this worker's */
	uint32_t nfree;
	uint32_t free[UNTOLD_MAX]; /* below area->used */
};

uint64_t untold_layout(void)
{
	uint64_t h = layout_add(layout_begin(), sizeof(struct untold_name));

	return layout_add(h, sizeof(struct untold_area));
}

int untold_new(struct keep *keep, struct untold **ret)
{
	struct untold *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	if (keep_is_shared(keep))
		u->area = keep_area(keep, KEEP_NAMES);
	for (uint32_t i = u->area ? atomic_load(&u->area->used) : 0; i > 0; i--) {
		if (!atomic_load(&u->area->names[i - 1].noted))
			u->free[u->nfree++] = i - 1;
	}
	*ret = u;
	return 0;
}

void untold_free(struct untold *u)
{
	free(u);
}

static struct untold_name *take(struct untold *u)
{
	uint32_t used = atomic_load(&u->area->used);

	if (u->nfree > 0)
		return &u->area->names[u->free[--u->nfree]];
	if (used == UNTOLD_MAX)
		return NULL;
	atomic_store(&u->area->used, used + 1);
	return &u->area->names[used];
}

uint32_t untold_add(struct untold *u, uint64_t nodeid, const char *name)
{
	struct untold_name *to;

	if (!u->area)
		return 0;
	to = take(u);
	if (!to) {
		atomic_store(&u->area->overflowed, true);
		u->nover++;
		return UNTOLD_OVER;
	}
	to->nodeid = nodeid;
	memcpy(to->name, name, strnlen(name, NAME_MAX) + 1);
	to->name[NAME_MAX] = '\0';
	atomic_store(&to->noted, true);
	return (uint32_t)(to - u->area->names) + 1;
}

void untold_told(struct untold *u, uint32_t note)
{
	if (note == 0)
		return;
	if (note == UNTOLD_OVER) {
		if (--u->nover == 0)
			atomic_store(&u->area->overflowed, false);
		return;
	}
	atomic_store(&u->area->names[note - 1].noted, false);
	u->free[u->nfree++] = note - 1;
}

bool untold_next(const struct untold *u, uint32_t *note, uint64_t *ret_nodeid,
		 const char **ret_name)
{
	uint32_t used = u->area ? atomic_load(&u->area->used) : 0;

	for (uint32_t i = *note; i < used; i++) {
		if (!atomic_load(&u->area->names[i].noted))
			continue;
		*note = i + 1;
		*ret_nodeid = u->area->names[i].nodeid;
		*ret_name = u->area->names[i].name;
		return true;
	}
	return false;
}

bool untold_overflowed(const struct untold *u)
{
	return u->area && atomic_load(&u->area->overflowed);
}

void untold_doubted(struct untold *u)
{
	if (u->area)
		atomic_store(&u->area->overflowed, false);
}
