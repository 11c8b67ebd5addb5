/* SPDX-License-Identifier: MIT */
/*
 * The control nodes that the kernel knows: node ids, lookup counts, and what each one names. A node
 * names things, it owns none. The same name has the same node while its lookup count is not 0; when
 * it falls to 0, the memory is given back. Node ids count up and are never used again, so a late
 * request for a forgotten node cannot meet its successor.
 *
 * Thread-safe. The lock (rank LOCK_CONTROL) is held inside these functions only, which call
 * nothing.
 */
#ifndef CONTROL_CTLNODE_H
#define CONTROL_CTLNODE_H

#include <stdint.h>

#include "exec/rule.h"
#include "takeover/keep.h"
#include "util/macro.h"

/* What a node names; a value. */
struct ctlnode_key {
	uint8_t kind;		  /* enum kind of ctltree.h */
	uint8_t attr;		  /* index in the table of attributes, 0 for other kinds */
	char id[RULE_ID_MAX + 1]; /* the execution's, "" for what belongs to none */
};

struct ctlnode_table;

/*
 * CONTROL_DIR_NODE names `root_key` and lives for ever, whatever is forgotten. The nodes are in the keep, which is
 * borrowed: those that a process has left there which died are known, too. 0, -ENOMEM.
 */
int ctlnode_table_new(struct keep *keep, const struct ctlnode_key *root_key,
		      struct ctlnode_table **ret) WARN_UNUSED;
void ctlnode_table_free(struct ctlnode_table *t);

/* See takeover/format.h. */
uint64_t ctlnode_layout(void);

/* The node of `key`, one lookup more. 0; 1: it is new; -ENOMEM, -ENFILE (as many as the keep has room for). */
int ctlnode_lookup(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t *ret_node)
	WARN_UNUSED;

/* The node of `key`, if it is known. 0, -ESTALE. */
int ctlnode_peek(struct ctlnode_table *t, const struct ctlnode_key *key, uint64_t *ret_node)
	WARN_UNUSED;

/* All that are known. `each` is called with the lock held. */
void ctlnode_each(struct ctlnode_table *t,
		  void (*each)(void *arg, uint64_t node, const struct ctlnode_key *key), void *arg);

/* What a node names. 0; -ESTALE: the kernel has forgotten it. */
int ctlnode_find(struct ctlnode_table *t, uint64_t node, struct ctlnode_key *ret) WARN_UNUSED;

/* Give lookups back. A count larger than what is there is taken as all of it. */
void ctlnode_forget(struct ctlnode_table *t, uint64_t node, uint64_t n);

/* Nodes alive, the root not counted. */
uint64_t ctlnode_count(struct ctlnode_table *t);

/* The inode number that is shown: the same for the same key at any time. */
uint64_t ctlnode_ino(const struct ctlnode_key *key);

#endif
