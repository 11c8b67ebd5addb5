/* SPDX-License-Identifier: MIT */
/*
 * The attributes of an execution: one table from which both the files of .baton/executions/ID and
 * the extended attributes user.baton.* are made. An attribute is written once: its name, where it
 * is seen, its mode, how it is read and set.
 *
 * Stateless; may be called from any thread, without locks.
 */
#ifndef CONTROL_ATTR_H
#define CONTROL_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control/control.h"
#include "exec/execution.h"

enum attr_scope {
	ATTR_TREE = 1u << 0,	 /* a file in .baton/executions/ID */
	ATTR_XATTR = 1u << 1,	 /* user.baton.NAME */
	ATTR_PER_FILE = 1u << 2, /* asked of a regular file, it is the file's own */
};

/*
 * Longest time-to-live, a hundred years. Source: added to the time of day it must fit 63 bits of
 * ns.
 */
#define ATTR_TTL_MAX_NS (INT64_C(36525) * 86400 * 1000000000)

/* Of what an attribute is asked. */
struct attr_target {
	struct exec_table *execs;	    /* borrowed */
	struct execution *exec;		    /* borrowed */
	struct exec_info info;		    /* of exec, now */
	const struct control_subject *file; /* borrowed; NULL: the execution itself */
};

/* A client's wish. */
struct attr_change {
	const struct ledger_owner *by; /* borrowed */
	uid_t opener;		       /* see struct control_caller */
	const char *text;	       /* borrowed; not NUL-terminated */
	size_t len;
	bool root_changed; /* out: a directory was made at the top; also if it then failed */
};

struct attr {
	const char *name;
	unsigned int scope; /* enum attr_scope */
	mode_t mode;	    /* as a file, without the type */
	int (*get)(const struct attr_target *t, char **ret_text);
	int (*set)(const struct attr_target *t, struct attr_change *change);
	const char *doc;
};

/* The i-th attribute; NULL: there are no more. */
const struct attr *attr_at(size_t i);
/* Its index, or -1 if nothing of that name is seen in `scope`. */
int attr_index(const char *name, enum attr_scope scope);

/* The value without a newline, malloc()ed. -ENODATA: it has none; -ENOMEM. */
int attr_get(const struct attr *a, const struct attr_target *t, char **ret_text) WARN_UNUSED;

/* Whether this one may know it: of what is his, of what is nobody's, of his own file, and what it is called. */
bool attr_is_seen(const struct attr *a, const struct attr_target *t, const struct viewer *v);

/*
 * Checks who asks, and does it. -EPERM (read-only, or the lifetime is not ours to set), -EACCES,
 * -EINVAL, -ERANGE, -EOPNOTSUPP (not on this kind of file), -ENOENT (released meanwhile), -errno of
 * the store.
 */
int attr_set(const struct attr *a, const struct attr_target *t, struct attr_change *change)
	WARN_UNUSED;

#endif
