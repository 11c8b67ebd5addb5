/* SPDX-License-Identifier: MIT */
/*
 * To which execution a path belongs, decided name by name from the root down. Pure functions of names.
 *
 *     /4711/...                        4711   any top-level directory whose name is a valid ID
 *     /4711_x /4711-x /4711.x          4711   a top-level file that starts with an ID of n8n's shape
 *     /n8n/.../executions/4711/...     4711   n8n's own binary data: accounted, never reaped by us
 *     /n8n/... elsewhere               n8n
 *     anything else at the top         _      file by file
 */
#ifndef EXEC_RULE_H
#define EXEC_RULE_H

#include <stdbool.h>

/* Longest ID, bytes. Source: BATON_ID_MAX. */
#define RULE_ID_MAX 128

/* Longest ID in n8n's own data, bytes. Source: the ledger keeps it with a prefix, exec_table.h. */
#define RULE_EXTERNAL_MAX (RULE_ID_MAX - 4)

/* The execution of top-level entries that name none. */
#define RULE_OTHER "_"
/* The top-level directory that holds n8n's own binary data. */
#define RULE_N8N "n8n"

/* Where an inode stands: all that its children's execution depends on. */
enum place {
	PLACE_ROOT,
	PLACE_TREE,	      /* in an execution's directory, or a flat file */
	PLACE_OTHER,	      /* a top-level entry that names no execution, and what is in it */
	PLACE_N8N,	      /* in /n8n */
	PLACE_N8N_EXECUTIONS, /* a directory `executions` in /n8n */
	PLACE_N8N_DATA,	      /* below that */
};

enum lifetime {
	LIFETIME_TTL,	   /* goes as a unit when idle for its time-to-live */
	LIFETIME_FILES,	   /* `_`: each top-level file by itself */
	LIFETIME_EXTERNAL, /* somebody else prunes: n8n */
};

struct rule_match {
	enum place place;
	bool inherits; /* the parent's execution; id and lifetime are not set */
	enum lifetime lifetime;
	char id[RULE_ID_MAX + 1];
};

/* The entry `name` of a directory that stands at `parent`. */
void rule_match(enum place parent, const char *name, bool is_directory, struct rule_match *ret);

/*
 * A whole path below the tree, "4711/a/b": where it stands and whose it is (id and lifetime are always set).
 * `is_directory` is about its last component.
 */
void rule_match_path(const char *path, bool is_directory, struct rule_match *ret);

/* 1 to 128 of A-Z a-z 0-9 . _ - and neither "." nor "..". */
bool rule_is_id(const char *name);

/* All digits, or a UUID: what n8n gives. Only these are virtual directories and flat prefixes. */
bool rule_is_n8n_id(const char *name);

#endif
