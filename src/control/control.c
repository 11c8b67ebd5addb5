/* SPDX-License-Identifier: MIT */
/*
 * The tree under .baton: which names there are, what they show, who may write. The table `kinds` is
 * the tree; the files of one execution come from the table of attributes (attr.c).
 *
 *     .baton ---- version, status.json, executions.json, metrics, config, upgrade, sharing.json, check.json,
 *           |     progress.json, accesslog
 *           +---- executions ---- ID ---- one file per attribute
 *           +---- why ---- ID
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

#include "baton/interface.h"
#include "control/attr.h"
#include "control/ctlnode.h"
#include "control/upkeep.h"
#include "control/view.h"
#include "util/cleanup.h"
#include "util/clock.h"

_Static_assert(BATON_ID_MAX == RULE_ID_MAX, "the same limit under two names");

struct control {
	/* Constant. */
	struct view view;
	struct ctlnode_table *nodes; /* owned */
	int64_t start_real_ns;
};

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

struct kind_row {
	const char *name; /* NULL: any ID that `exists` knows */
	enum kind parent;
	mode_t mode; /* KIND_ATTR: without the attribute's */
	int (*exists)(const struct view *v, const char *id);
	/* KIND_ATTR: the attribute's get() */
	int (*read)(const struct view *v, const char *id, char **ret_text);
	/* KIND_ATTR: the attribute's set(); NULL: read only */
	int (*write)(const struct view *v, const char *text, size_t len);
};

static const struct kind_row kinds[KIND_MAX_] = {
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

static const struct ctlnode_key root_key = { .kind = KIND_ROOT };

/* ---- names and attributes ---- */

static mode_t mode_of(const struct ctlnode_key *key)
{
	mode_t mode = kinds[key->kind].mode;

	return key->kind == KIND_ATTR ? mode | attr_at(key->attr)->mode : mode;
}

static bool has_parent(enum kind kind, const struct ctlnode_key *dir)
{
	return kind != KIND_NONE && kinds[kind].parent == (enum kind)dir->kind;
}

/* Any ID may stand in its place. */
static bool names_id(const struct ctlnode_key *key)
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
	int r = rule_is_id(name) ? kinds[kind].exists(v, name) : -ENOENT;

	if (r < 0)
		return r;
	*ret = (struct ctlnode_key){ .kind = (uint8_t)kind };
	(void)memccpy(ret->id, name, '\0', sizeof(ret->id));
	return 0;
}

/* The child `name` of a directory. */
static int child(const struct view *v, const struct ctlnode_key *dir, const char *name,
		 struct ctlnode_key *ret)
{
	if (!S_ISDIR(mode_of(dir)))
		return -ENOTDIR;
	if (dir->kind == KIND_EXECUTION)
		return child_attr(dir, name, ret);
	for (int i = 0; i < KIND_MAX_; i++) {
		if (!has_parent((enum kind)i, dir))
			continue;
		if (!kinds[i].name)
			return child_id(v, (enum kind)i, name, ret);
		if (strcmp(kinds[i].name, name) == 0) {
			*ret = (struct ctlnode_key){ .kind = (uint8_t)i };
			return 0;
		}
	}
	return -ENOENT;
}

static void fill_basic(const struct ctlnode_key *key, struct stat *ret)
{
	*ret = (struct stat){ .st_ino = ctlnode_ino(key), .st_mode = mode_of(key) };
	ret->st_nlink = S_ISDIR(ret->st_mode) ? 2 : 1;
	ret->st_blksize = 4096; /* a page, as everywhere in FUSE */
}

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

	fill_basic(key, &st);
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
	struct stat st;
	int r = ctlnode_find(c->nodes, dir, &parent);

	if (r == 0)
		r = child(&v, &parent, name, &key);
	if (r == 0)
		r = fill(c, &v, &key, &st);
	if (r == 0)
		r = ctlnode_lookup(c->nodes, &key, ret_node);
	if (r < 0)
		return r;
	*ret_st = st;
	return r > 0 && names_id(&key);
}

int control_id_name(struct control *c, uint64_t node, uint64_t *ret_dir,
		    char ret_id[RULE_ID_MAX + 1])
{
	struct ctlnode_key key;
	struct ctlnode_key dir = { 0 };
	int r = ctlnode_find(c->nodes, node, &key);

	if (r < 0)
		return r;
	dir.kind = (uint8_t)kinds[key.kind].parent;
	memcpy(ret_id, key.id, sizeof(key.id));
	return ctlnode_peek(c->nodes, &dir, ret_dir);
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

	if (names_id(key))
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

int control_path(struct control *c, uint64_t node, char *buf, size_t len)
{
	struct ctlnode_key key;
	const char *name;
	int r = ctlnode_find(c->nodes, node, &key);

	if (r < 0)
		return r;
	name = kinds[key.kind].name;
	if (key.kind == KIND_ATTR)
		(void)snprintf(buf, len, BATON_DIR "/executions/%s/%s", key.id,
			       attr_at(key.attr)->name);
	else if (!name)
		(void)snprintf(buf, len, BATON_DIR "/%s/%s", kinds[kinds[key.kind].parent].name,
			       key.id);
	else
		(void)snprintf(buf, len, BATON_DIR "%s%s", key.kind == KIND_ROOT ? "" : "/",
			       key.kind == KIND_ROOT ? "" : name);
	return 0;
}

/* ---- directories ---- */

struct listing {
	uint64_t offset;
	bool (*emit)(void *arg, const char *name, const struct stat *st, uint64_t next);
	void *arg;
};

static bool emit_key(const struct listing *l, const struct ctlnode_key *key, const char *name,
		     uint64_t next)
{
	struct stat st;

	fill_basic(key, &st);
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
static int list_executions(const struct view *v, const struct listing *l)
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
static int list_attrs(const struct view *v, const struct ctlnode_key *dir, const struct listing *l)
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
static int list_kinds(const struct ctlnode_key *dir, const struct listing *l)
{
	for (uint64_t i = l->offset; i < KIND_MAX_; i++) {
		struct ctlnode_key key = { .kind = (uint8_t)i };

		if (!has_parent((enum kind)i, dir) || !kinds[i].name)
			continue;
		if (!emit_key(l, &key, kinds[i].name, i + 1))
			break;
	}
	return 0;
}

int control_readdir(struct control *c, uid_t uid, uint64_t dir, uint64_t offset,
		    bool (*emit)(void *arg, const char *name, const struct stat *st, uint64_t next),
		    void *arg)
{
	struct listing l = { .offset = offset, .emit = emit, .arg = arg };
	struct view v = view_for(c, uid);
	struct ctlnode_key key;
	int r = ctlnode_find(c->nodes, dir, &key);

	if (r < 0)
		return r;
	if (!S_ISDIR(mode_of(&key)))
		return -ENOTDIR;
	if (key.kind == KIND_EXECUTIONS)
		return list_executions(&v, &l);
	if (key.kind == KIND_EXECUTION)
		return list_attrs(&v, &key, &l);
	return list_kinds(&key, &l);
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
	if (S_ISDIR(mode_of(&key)))
		return -EISDIR;
	if (!(mode_of(&key) & 0044) && key.kind != KIND_ATTR && caller->who.uid != 0)
		return -EACCES;
	if (key.kind == KIND_ACCESSLOG)
		return -EINVAL;
	if (key.kind == KIND_ATTR)
		r = read_attr(&v, &key, &text);
	else
		r = kinds[key.kind].read(&v, key.id, &text);
	if (r < 0)
		return r;
	return append_newline(text, ret_text, ret_len);
}

static int change(struct control *c, const struct attr *a, const struct attr_target *t,
		  struct attr_change *ch)
{
	int r = attr_set(a, t, ch);

	if (ch->root_changed && c->view.up.root_changed)
		c->view.up.root_changed(c->view.up.ctx);
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
	if (kinds[key->kind].write)
		return kinds[key->kind].write(&c->view, text, len);
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
	if (S_ISDIR(mode_of(&key)))
		return -EISDIR;
	if (!(mode_of(&key) & 0222))
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
