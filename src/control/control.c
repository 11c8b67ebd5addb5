/* SPDX-License-Identifier: MIT */
/*
 * What the tree under .baton (ctltree.h) shows, and who may write. The files of one execution come from the table of
 * attributes (attr.c).
 *
 * st_size is 0, as in /proc: clients open these files with direct I/O and read to the end, and
 * programs that look at the size first know that 0 may mean "unknown", while any other number would
 * make some of them stop there.
 *
 * Nothing here is activity of an execution. No lock is held while exec, the ledger or an upcall is
 * called.
 */
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/attr.h"
#include "control/ctlnode.h"
#include "control/ctltree.h"
#include "control/view.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct control {
	/* Constant. */
	struct view view;
	struct ctlnode_table *nodes; /* owned */
	int64_t start_real_ns;
};

static const struct ctlnode_key root_key = { .kind = KIND_ROOT };

/* ---- names and attributes ---- */

static void fill_times(struct stat *st, int64_t real_ns)
{
	st->st_mtim =
		(struct timespec){ .tv_sec = real_ns / NS_PER_S, .tv_nsec = real_ns % NS_PER_S };
	st->st_atim = st->st_mtim;
	st->st_ctim = st->st_mtim;
}

/* -ENOENT: the execution is gone. */
static int fill(const struct control *c, const struct view *v, const struct ctlnode_key *key,
		struct stat *ret)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;
	struct stat st;
	int r;

	ctltree_stat(key, &st);
	/* The kernel keeps a listing until the directory's time of change is another: of this one, never. */
	fill_times(&st, key->kind == KIND_EXECUTIONS ? clock_ns(CLOCK_REALTIME) : c->start_real_ns);
	if (key->kind == KIND_EXECUTION || key->kind == KIND_ATTR) {
		r = view_one(v, key->id, &one);
		if (r < 0)
			return r;
		st.st_uid = one.info.owner.uid;
		st.st_gid = one.info.owner.gid;
		fill_times(&st, one.info.activity_real_ns);
	}
	*ret = st;
	return 0;
}

/* What this one sees. */
static struct view view_for(const struct control *c, uid_t uid)
{
	struct view v = c->view;

	v.viewer = viewer_of(&exec_table_config(v.execs)->privacy, uid);
	return v;
}

int control_lookup(struct control *c, uid_t uid, uint64_t dir, const char *name, uint64_t *ret_node,
		   struct stat *ret_st)
{
	struct view v = view_for(c, uid);
	struct ctlnode_key parent;
	struct ctlnode_key key;
	struct stat st = { 0 };
	int r = ctlnode_find(c->nodes, dir, &parent);

	if (r == 0)
		r = ctltree_find(&v, &parent, name, &key);
	if (r == 0)
		r = fill(c, &v, &key, &st);
	if (r == 0)
		r = ctlnode_lookup(c->nodes, &key, ret_node);
	if (r < 0)
		return r;
	*ret_st = st;
	return r > 0 && ctltree_names_id(&key);
}

int control_id_name(struct control *c, uint64_t node, uint64_t *ret_dir,
		    char ret_id[RULE_ID_MAX + 1])
{
	struct ctlnode_key key;
	struct ctlnode_key dir = { 0 };
	int r = ctlnode_find(c->nodes, node, &key);

	if (r < 0)
		return r;
	dir.kind = (uint8_t)ctltree_rows[key.kind].parent;
	memcpy(ret_id, key.id, sizeof(key.id));
	return ctlnode_peek(c->nodes, &dir, ret_dir);
}

int control_path(struct control *c, uint64_t node, char *buf, size_t len)
{
	struct ctlnode_key key;
	int r = ctlnode_find(c->nodes, node, &key);

	if (r == 0)
		ctltree_path(&key, buf, len);
	return r;
}

uint64_t control_count(struct control *c)
{
	return ctlnode_count(c->nodes);
}

struct each_id {
	void (*each)(void *arg, uint64_t node);
	void *arg;
};

static void if_id(void *arg, uint64_t node, const struct ctlnode_key *key)
{
	const struct each_id *ids = arg;

	if (ctltree_names_id(key))
		ids->each(ids->arg, node);
}

void control_each_id(struct control *c, void (*each)(void *arg, uint64_t node), void *arg)
{
	struct each_id ids = { each, arg };

	ctlnode_each(c->nodes, if_id, &ids);
}

void control_forget(struct control *c, uint64_t node, uint64_t n)
{
	ctlnode_forget(c->nodes, node, n);
}

int control_getattr(struct control *c, uid_t uid, uint64_t node, struct stat *ret_st)
{
	struct view v = view_for(c, uid);
	struct ctlnode_key key;
	int r = ctlnode_find(c->nodes, node, &key);

	return r < 0 ? r : fill(c, &v, &key, ret_st);
}

bool control_is_accesslog(struct control *c, uint64_t node)
{
	struct ctlnode_key key;

	return ctlnode_find(c->nodes, node, &key) == 0 && key.kind == KIND_ACCESSLOG;
}

bool control_is_release(struct control *c, uint64_t node)
{
	struct ctlnode_key key;

	return ctlnode_find(c->nodes, node, &key) == 0 && key.kind == KIND_ATTR &&
	       strcmp(attr_at(key.attr)->name, "release") == 0;
}

/* ---- directories ---- */

int control_readdir(struct control *c, uid_t uid, uint64_t dir, uint64_t offset,
		    bool (*emit)(void *arg, const char *name, const struct stat *st, uint64_t next),
		    void *arg)
{
	struct ctltree_listing l = { .offset = offset, .emit = emit, .arg = arg };
	struct view v = view_for(c, uid);
	struct ctlnode_key key;
	int r = ctlnode_find(c->nodes, dir, &key);

	if (r < 0)
		return r;
	if (!S_ISDIR(ctltree_mode(&key)))
		return -ENOTDIR;
	return ctltree_list(&v, &key, &l);
}

/* ---- reading and writing ---- */

static struct attr_target target_of_one(const struct view_one *one)
{
	return (struct attr_target){ .execs = one->execs, .exec = one->exec, .info = one->info };
}

static int read_attr(const struct view *v, const struct ctlnode_key *key, char **ret_text)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;
	struct attr_target target;
	int r = view_one(v, key->id, &one);

	if (r < 0)
		return r;
	target = target_of_one(&one);
	return attr_get(attr_at(key->attr), &target, ret_text);
}

/* Takes `text` over. */
static int append_newline(char *text, char **ret_text, size_t *ret_len)
{
	size_t len = strlen(text);
	char *line = realloc(text, len + 2);

	if (!line) {
		free(text);
		return -ENOMEM;
	}
	line[len] = '\n';
	line[len + 1] = '\0';
	*ret_text = line;
	*ret_len = len + 1;
	return 0;
}

int control_read(struct control *c, uint64_t node, const struct control_caller *caller,
		 char **ret_text, size_t *ret_len)
{
	struct view v = view_for(c, caller->who.uid);
	struct ctlnode_key key;
	char *text = NULL;
	int r = ctlnode_find(c->nodes, node, &key);

	if (r < 0)
		return r;
	if (S_ISDIR(ctltree_mode(&key)))
		return -EISDIR;
	if (!(ctltree_mode(&key) & 0044) && key.kind != KIND_ATTR && caller->who.uid != 0)
		return -EACCES;
	if (key.kind == KIND_ACCESSLOG)
		return -EINVAL;
	if (key.kind == KIND_ATTR)
		r = read_attr(&v, &key, &text);
	else
		r = ctltree_rows[key.kind].read(&v, key.id, &text);
	if (r < 0)
		return r;
	return append_newline(text, ret_text, ret_len);
}

static int change(struct control *c, const struct attr *a, const struct attr_target *t,
		  struct attr_change *ch)
{
	int r = attr_set(a, t, ch);

	if (ch->root_changed && c->view.up.root_changed)
		c->view.up.root_changed(c->view.up.ctx, t->info.id);
	return r;
}

/* What belongs to the mount is root's to change. */
static int write_of_mount(struct control *c, const struct ctlnode_key *key,
			  const struct control_caller *caller, const char *text, size_t len,
			  struct control_reason *why)
{
	const struct control_upcalls *up = &c->view.up;

	if (caller->who.uid != 0 || caller->opener != 0)
		return -EACCES;
	if (ctltree_rows[key->kind].write)
		return ctltree_rows[key->kind].write(&c->view, text, len);
	if (key->kind == KIND_UPGRADE)
		return up->upgrade ? up->upgrade(up->ctx, why) : -EOPNOTSUPP;
	return up->change ? up->change(up->ctx, caller, text, len, why) : -EOPNOTSUPP;
}

int control_write(struct control *c, uint64_t node, const struct control_caller *caller,
		  const char *text, size_t len, struct control_reason *why)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;
	struct view v = view_for(c, caller->who.uid);
	struct attr_change ch = {
		.by = &caller->who, .opener = caller->opener, .text = text, .len = len
	};
	struct attr_target target;
	struct ctlnode_key key;
	int r = ctlnode_find(c->nodes, node, &key);

	why->text[0] = '\0';
	if (r < 0)
		return r;
	if (S_ISDIR(ctltree_mode(&key)))
		return -EISDIR;
	if (!(ctltree_mode(&key) & 0222))
		return -EACCES;
	if (key.kind != KIND_ATTR)
		return write_of_mount(c, &key, caller, text, len, why);
	r = view_one(&v, key.id, &one);
	if (r < 0)
		return r;
	target = target_of_one(&one);
	return change(c, attr_at(key.attr), &target, &ch);
}

/* ---- extended attributes ---- */

static void target_of(struct control *c, const struct control_subject *s, struct attr_target *ret)
{
	*ret = (struct attr_target){ .execs = c->view.execs, .exec = s->exec, .file = s };
	exec_info(c->view.execs, s->exec, &ret->info);
}

int control_xattr_get(struct control *c, uid_t uid, const struct control_subject *s,
		      const char *name, char *buf, size_t len)
{
	struct view v = view_for(c, uid);
	_cleanup_free_ char *text = NULL;
	int i = attr_index(name, ATTR_XATTR);
	struct attr_target t;
	size_t n;
	int r;

	if (i < 0)
		return -ENODATA;
	target_of(c, s, &t);
	if (!attr_is_seen(attr_at((size_t)i), &t, &v.viewer))
		return -EACCES;
	r = attr_get(attr_at((size_t)i), &t, &text);
	if (r < 0)
		return r;
	n = strlen(text);
	if (len > 0 && n > len)
		return -ERANGE;
	if (len > 0)
		memcpy(buf, text, n);
	return (int)n;
}

int control_xattr_set(struct control *c, const struct control_subject *s,
		      const struct control_caller *caller, const char *name, const char *value,
		      size_t len)
{
	struct attr_change ch = {
		.by = &caller->who, .opener = caller->opener, .text = value, .len = len
	};
	int i = attr_index(name, ATTR_XATTR);
	struct attr_target t;

	if (i < 0)
		return -EOPNOTSUPP;
	target_of(c, s, &t);
	return change(c, attr_at((size_t)i), &t, &ch);
}

/* ---- beginning and end ---- */

int control_new(struct keep *keep, struct exec_table *execs, struct ledger *ledger,
		const struct control_upcalls *up, struct control **ret)
{
	_cleanup_free_ struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->view = (struct view){ .execs = execs, .ledger = ledger, .up = *up };
	c->start_real_ns = clock_real_ns();
	r = ctlnode_table_new(keep, &root_key, &c->nodes);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	ctlnode_table_free(c->nodes);
	free(c);
}
