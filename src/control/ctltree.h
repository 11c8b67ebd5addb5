/* SPDX-License-Identifier: MIT */
/*
 * The tree under .baton: which names there are.
 *
 *     .baton ---- version, status.json, executions.json, metrics, config, upgrade, sharing.json, check.json,
 *           |     progress.json, accesslog
 *           +---- executions ---- ID ---- one file per attribute
 *           +---- why ---- ID
 *
 * The table of rows is the tree. A place in it is a struct ctlnode_key. No locks, no state.
 */
#ifndef CONTROL_CTLTREE_H
#define CONTROL_CTLTREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "control/ctlnode.h"
#include "control/view.h"
#include "util/macro.h"

/* Their numbers outlive the program (takeover/format.h): new ones at the end. */
enum kind {
	KIND_NONE,
	KIND_ROOT,
	KIND_VERSION,
	KIND_STATUS,
	KIND_LIST,
	KIND_METRICS,
	KIND_CONFIG,
	KIND_SHARING,
	KIND_CHECK,
	KIND_ACCESSLOG, /* opened and read above this layer */
	KIND_EXECUTIONS,
	KIND_WHY,
	KIND_EXECUTION, /* a directory per ID */
	KIND_ATTR,	/* a file per ID and attribute */
	KIND_REASON,	/* a file per ID */
	KIND_UPGRADE,
	KIND_PROGRESS,
	KIND_MAX_,
};

struct ctltree_row {
	const char *name; /* NULL: any ID that `exists` knows */
	enum kind parent;
	mode_t mode; /* KIND_ATTR: without the attribute's */
	int (*exists)(const struct view *v, const char *id);
	/* KIND_ATTR: the attribute's get() */
	int (*read)(const struct view *v, const char *id, char **ret_text);
	/* KIND_ATTR: the attribute's set(); NULL: read only */
	int (*write)(const struct view *v, const char *text, size_t len);
};

/* By enum kind. */
extern const struct ctltree_row ctltree_rows[KIND_MAX_];

/* S_IFMT and permissions. */
mode_t ctltree_mode(const struct ctlnode_key *key);

/* Any ID may stand in its place. */
bool ctltree_names_id(const struct ctlnode_key *key);

/* What is known of a place as such: number, mode, links; no owner, and no times. */
void ctltree_stat(const struct ctlnode_key *key, struct stat *ret);

/*
 * The child `name` of a directory, as this viewer sees it. 0; -ENOENT, -ENOTDIR, -errno of the row's `exists`. Of a
 * file of an execution only the name is looked at: whether that still exists is for the caller to ask.
 */
int ctltree_find(const struct view *v, const struct ctlnode_key *dir, const char *name,
		 struct ctlnode_key *ret) WARN_UNUSED;

/* The path from the mountpoint down, ".baton/why/4711"; cut to what fits. */
void ctltree_path(const struct ctlnode_key *key, char *buf, size_t len);

/* A listing on its way; the members as control_readdir()'s arguments. */
struct ctltree_listing {
	uint64_t offset;
	bool (*emit)(void *arg, const char *name, const struct stat *st, uint64_t next);
	void *arg;
};

/* What is in a directory. 0 or -errno. */
int ctltree_list(const struct view *v, const struct ctlnode_key *dir,
		 const struct ctltree_listing *l) WARN_UNUSED;

#endif
