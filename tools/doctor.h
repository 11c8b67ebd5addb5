/* SPDX-License-Identifier: MIT */
/*
 * What the checks of `baton doctor` share. A check reports one line or more; each that is not well says what that
 * costs and how to get it.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "mountpoint.h"
#include "util/macro.h"

enum level {
	LEVEL_OK,
	LEVEL_WARN,
	LEVEL_FAIL,
	LEVEL_MAX_,
};

struct doctor {
	const char *store;	       /* borrowed; directory asked about */
	struct mountpoint_list mounts; /* owned */
	int *asked;		       /* owned; what was heard of each: 0, negative errno */
	bool answered;		       /* some mount is there and answers */
	json_t *checks;		       /* owned; the array of results */
	enum level worst;
};

/* `costs` and `cure` are for what is not well, else "". */
void doctor_report(struct doctor *d, const char *check, enum level level, const char *costs,
		   const char *cure, const char *fmt, ...) PRINTF(6, 7);

static inline void doctor_well(struct doctor *d, const char *check, const char *found)
{
	doctor_report(d, check, LEVEL_OK, "", "", "%s", found);
}

/* doctor_store.c: the directory that is, or is to be, a store */
void doctor_check_store(struct doctor *d);

/* doctor_machine.c: what kernel and machine have beside the essential */
void doctor_check_uring(struct doctor *d);
void doctor_check_memory(struct doctor *d);
void doctor_check_propagation(struct doctor *d);

/*
 * doctor_mount.c: the mount that is asked about, or all there are; whether they answer, which may take seconds. And what they
 * say. 0, -ENOMEM.
 */
int doctor_ask_mounts(struct doctor *d, const char *arg) WARN_UNUSED;
void doctor_check_mounts(struct doctor *d);

#endif
