/* SPDX-License-Identifier: MIT */
/*
 * sharing.json and check.json: what is shared, what could be freed, what does not agree. Reading only looks; writing
 * "remove" to the one and "repair" to the other does something about it. Both take a while: the tree is walked; how far
 * that is, progress.json says meanwhile.
 *
 * Stateless; may be called from any thread, without locks.
 */
#ifndef CONTROL_UPKEEP_H
#define CONTROL_UPKEEP_H

#include <stddef.h>

#include "control/view.h"

/* Problems that are told one by one; all are counted. Source: what a person reads, and 200 KiB. */
#define UPKEEP_PROBLEMS_MAX 1000

/* Texts without the last newline, malloc()ed. -ENOMEM, -EOPNOTSUPP (no store behind it), -errno. */
int upkeep_sharing(const struct view *v, const char *id, char **ret_text);
int upkeep_check(const struct view *v, const char *id, char **ret_text);

/* progress.json: how far these are. */
int upkeep_progress(const struct view *v, const char *id, char **ret_text);

/* -EINVAL: another word. -EAGAIN: the ledger does not agree with the tree yet. */
int upkeep_remove(const struct view *v, const char *text, size_t len);
int upkeep_repair(const struct view *v, const char *text, size_t len);

#endif
