/* SPDX-License-Identifier: MIT */
#include "control/ctltree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "baton/interface.h"
#include "control/attr.h"
#include "control/upkeep.h"

_Static_assert(BATON_ID_MAX == RULE_ID_MAX, "the same limit under two names");

const struct ctltree_row ctltree_rows[KIND_MAX_] = {
	[KIND_ROOT] = { BATON_DIR, KIND_NONE, S_IFDIR | 0555, NULL, NULL, NULL },
	[KIND_VERSION] = { "version", KIND_ROOT, S_IFREG | 0444, NULL, view_version, NULL },
	[KIND_STATUS] = { "status.json", KIND_ROOT, S_IFREG | 0444, NULL, view_status, NULL },
	[KIND_LIST] = { "executions.json", KIND_ROOT, S_IFREG | 0444, NULL, view_executions, NULL },
	[KIND_METRICS] = { "metrics", KIND_ROOT, S_IFREG | 0444, NULL, view_metrics, NULL },
	[KIND_CONFIG] = { "config", KIND_ROOT, S_IFREG | 0644, NULL, view_config, NULL },
	[KIND_UPGRADE] = { "upgrade", KIND_ROOT, S_IFREG | 0600, NULL, view_version, NULL },
	/* Root's: they tell of what everybody has. */
	[KIND_SHARING] = { "sharing.json", KIND_ROOT, S_IFREG | 0600, NULL, upkeep_sharing,
			   upkeep_remove },
	[KIND_CHECK] = { "check.json", KIND_ROOT, S_IFREG | 0600, NULL, upkeep_check,
			 upkeep_repair },
	[KIND_PROGRESS] = { "progress.json", KIND_ROOT, S_IFREG | 0400, NULL, upkeep_progress,
			    NULL },
	[KIND_ACCESSLOG] = { "accesslog", KIND_ROOT, S_IFREG | 0444, NULL, NULL, NULL },
	[KIND_EXECUTIONS] = { "executions", KIND_ROOT, S_IFDIR | 0555, NULL, NULL, NULL },
	[KIND_WHY] = { "why", KIND_ROOT, S_IFDIR | 0555, NULL, NULL, NULL },
	[KIND_EXECUTION] = { NULL, KIND_EXECUTIONS, S_IFDIR | 0555, view_has_execution, NULL,
			     NULL },
	[KIND_ATTR] = { NULL, KIND_EXECUTION, S_IFREG, NULL, NULL, NULL },
	[KIND_REASON] = { NULL, KIND_WHY, S_IFREG | 0444, view_knows, view_why, NULL },
};

mode_t ctltree_mode(const struct ctlnode_key *key)
{
	mode_t mode = ctltree_rows[key->kind].mode;

	return key->kind == KIND_ATTR ? mode | attr_at(key->attr)->mode : mode;
}

static bool has_parent(enum kind kind, const struct ctlnode_key *dir)
{
	return kind != KIND_NONE && ctltree_rows[kind].parent == (enum kind)dir->kind;
}

bool ctltree_names_id(const struct ctlnode_key *key)
{
	return key->kind == KIND_EXECUTION || key->kind == KIND_REASON;
}

/* A file of an execution. Whether that still exists is for fill() to ask. */
static int child_attr(const struct ctlnode_key *dir, const char *name, struct ctlnode_key *ret)
{
	int attr = attr_index(name, ATTR_TREE);

	if (attr < 0)
		return -ENOENT;
	*ret = *dir;
	ret->kind = KIND_ATTR;
	ret->attr = (uint8_t)attr;
	return 0;
}

static int child_id(const struct view *v, enum kind kind, const char *name, struct ctlnode_key *ret)
{
	int r = rule_is_id(name) ? ctltree_rows[kind].exists(v, name) : -ENOENT;

	if (r < 0)
		return r;
	*ret = (struct ctlnode_key){ .kind = (uint8_t)kind };
	(void)memccpy(ret->id, name, '\0', sizeof(ret->id));
	return 0;
}

int ctltree_find(const struct view *v, const struct ctlnode_key *dir, const char *name,
		 struct ctlnode_key *ret)
{
	if (!S_ISDIR(ctltree_mode(dir)))
		return -ENOTDIR;
	if (dir->kind == KIND_EXECUTION)
		return child_attr(dir, name, ret);
	for (int i = 0; i < KIND_MAX_; i++) {
		if (!has_parent((enum kind)i, dir))
			continue;
		if (!ctltree_rows[i].name)
			return child_id(v, (enum kind)i, name, ret);
		if (strcmp(ctltree_rows[i].name, name) == 0) {
			*ret = (struct ctlnode_key){ .kind = (uint8_t)i };
			return 0;
		}
	}
	return -ENOENT;
}

void ctltree_stat(const struct ctlnode_key *key, struct stat *ret)
{
	*ret = (struct stat){ .st_ino = ctlnode_ino(key), .st_mode = ctltree_mode(key) };
	ret->st_nlink = S_ISDIR(ret->st_mode) ? 2 : 1;
	ret->st_blksize = 4096; /* a page, as everywhere in FUSE */
}

void ctltree_path(const struct ctlnode_key *key, char *buf, size_t len)
{
	const char *name = ctltree_rows[key->kind].name;

	if (key->kind == KIND_ATTR)
		(void)snprintf(buf, len, BATON_DIR "/executions/%s/%s", key->id,
			       attr_at(key->attr)->name);
	else if (!name)
		(void)snprintf(buf, len, BATON_DIR "/%s/%s",
			       ctltree_rows[ctltree_rows[key->kind].parent].name, key->id);
	else
		(void)snprintf(buf, len, BATON_DIR "%s%s", key->kind == KIND_ROOT ? "" : "/",
			       key->kind == KIND_ROOT ? "" : name);
}

/* ---- listings ---- */

static bool emit_key(const struct ctltree_listing *l, const struct ctlnode_key *key,
		     const char *name, uint64_t next)
{
	struct stat st;

	ctltree_stat(key, &st);
	return l->emit(l->arg, name, &st, next);
}

/* n8n's own data of an ID under which there is another execution: that one has the name. */
static bool is_second(const struct view *v, const struct exec_info *info)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;

	return info->lifetime == LIFETIME_EXTERNAL && view_one(v, info->id, &one) == 0 &&
	       one.info.number != info->number;
}

/*
 * The offset is the number in the ledger of the last execution told: it stays with the execution,
 * and new ones have higher numbers, so that none that is there all the time is skipped or told
 * twice.
 */
static int list_executions(const struct view *v, const struct ctltree_listing *l)
{
	_cleanup_view_list_ struct view_list list = VIEW_LIST_NONE;
	struct ctlnode_key key = { .kind = KIND_EXECUTION };
	int r = view_list(v, l->offset, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (is_second(v, &list.infos[i]))
			continue;
		memcpy(key.id, list.infos[i].id, sizeof(key.id));
		if (!emit_key(l, &key, key.id, list.infos[i].number))
			break;
	}
	return r;
}

/* The offset is 1 + the index of the last attribute told. */
static int list_attrs(const struct view *v, const struct ctlnode_key *dir,
		      const struct ctltree_listing *l)
{
	struct ctlnode_key key = *dir;
	const struct attr *a;
	int r = view_has_execution(v, dir->id);

	key.kind = KIND_ATTR;
	for (uint64_t i = l->offset; r == 0 && (a = attr_at(i)); i++) {
		key.attr = (uint8_t)i;
		if ((a->scope & ATTR_TREE) && !emit_key(l, &key, a->name, i + 1))
			break;
	}
	return r;
}

/* The offset is 1 + the kind of the last name told. */
static int list_kinds(const struct ctlnode_key *dir, const struct ctltree_listing *l)
{
	for (uint64_t i = l->offset; i < KIND_MAX_; i++) {
		struct ctlnode_key key = { .kind = (uint8_t)i };

		if (!has_parent((enum kind)i, dir) || !ctltree_rows[i].name)
			continue;
		if (!emit_key(l, &key, ctltree_rows[i].name, i + 1))
			break;
	}
	return 0;
}

int ctltree_list(const struct view *v, const struct ctlnode_key *dir,
		 const struct ctltree_listing *l)
{
	if (dir->kind == KIND_EXECUTIONS)
		return list_executions(v, l);
	if (dir->kind == KIND_EXECUTION)
		return list_attrs(v, dir, l);
	return list_kinds(dir, l);
}
