/* SPDX-License-Identifier: MIT */
/*
 * Looking at executions and releases, and the files that tell of more than one execution's
 * attributes: version, status.json, executions.json, metrics, config, why/ID. Looking is no activity.
 *
 * Stateless but for what is passed in; may be called from any thread, without locks.
 */
#ifndef CONTROL_VIEW_H
#define CONTROL_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "control/control.h"
#include "exec/execution.h"
#include "util/cleanup.h"

/* What there is to look at, and who looks; constant. */
struct view {
	struct exec_table *execs; /* borrowed */
	struct ledger *ledger;	  /* borrowed */
	struct control_upcalls up;
	struct viewer viewer; /* what he does not see is as if it were not there, but in sums */
};

/* One real execution, held. */
struct view_one {
	struct exec_table *execs; /* borrowed */
	struct execution *exec;	  /* owned reference */
	struct exec_info info;
};

#define VIEW_ONE_NONE ((struct view_one){ .exec = NULL })

/* -ENOENT: there is none now. */
int view_one(const struct view *v, const char *id, struct view_one *one) WARN_UNUSED;
void view_one_done(struct view_one *one);
#define _cleanup_view_one_ _cleanup_(view_one_done)

/* All real executions together, whoever looks. */
struct view_sums {
	struct exec_table *execs; /* borrowed */
	uint64_t executions;
	uint64_t pinned;
	uint64_t bytes;
	uint64_t files;
	uint64_t open;
};

/* -ENOMEM. */
int view_sums(const struct view *v, struct view_sums *ret) WARN_UNUSED;

/* All real executions that he sees, by rising number, those above `after` only. */
struct view_list {
	struct exec_info *infos; /* owned */
	size_t n;
	size_t room;
};

#define VIEW_LIST_NONE ((struct view_list){ .infos = NULL })

/* -ENOMEM. */
int view_list(const struct view *v, uint64_t after, struct view_list *list) WARN_UNUSED;
void view_list_done(struct view_list *list);
#define _cleanup_view_list_ _cleanup_(view_list_done)

/*
 * 0 if there is such an execution; for view_knows(), also if releases of one are on record.
 * -ENOENT.
 */
int view_has_execution(const struct view *v, const char *id) WARN_UNUSED;
int view_knows(const struct view *v, const char *id) WARN_UNUSED;

/*
 * Texts without the last newline, malloc()ed. `id` counts for view_why() only. -ENOENT, -ENOMEM,
 * -EIO.
 */
int view_version(const struct view *v, const char *id, char **ret_text) WARN_UNUSED;
int view_status(const struct view *v, const char *id, char **ret_text) WARN_UNUSED;
int view_executions(const struct view *v, const char *id, char **ret_text) WARN_UNUSED;
int view_metrics(const struct view *v, const char *id, char **ret_text);
int view_config(const struct view *v, const char *id, char **ret_text);
int view_why(const struct view *v, const char *id, char **ret_text) WARN_UNUSED;

#endif
