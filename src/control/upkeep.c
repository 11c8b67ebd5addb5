/* SPDX-License-Identifier: MIT */
/*
 * The answers of the seal's layer as JSON.
 */
#include "control/upkeep.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "control/json.h"
#include "util/cleanup.h"
#include "util/utf8.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static bool is_word(const char *word, const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	return len == strlen(word) && memcmp(word, text, len) == 0;
}

/* ---- sharing.json ---- */

/*
 * Written is what the files have, stored what it takes. What the blobs take is as the filesystem counts it, so that
 * reflinks and holes count once.
 */
static json_t *sharing_of(const struct garbage *g, const struct ledger_stubs *stubs,
			  const struct share_counts *n, bool ready)
{
	uint64_t used = g->bytes - g->garbage_bytes;
	const struct json_field fields[] = {
		{ "ready", json_boolean(ready) },
		{ "stubs", number(stubs->files) },
		{ "shared", number(stubs->bytes) },
		{ "blobs", number(g->blobs) },
		{ "stored", number(g->bytes) },
		{ "saved", number(stubs->bytes - MIN_OF(stubs->bytes, used)) },
		{ "garbage_blobs", number(g->garbage_blobs) },
		{ "garbage", number(g->garbage_bytes) },
		{ "made", number(n->blobs_made) },
		{ "removed", number(n->blobs_removed) },
		{ "dropped", number(n->dropped) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

int upkeep_sharing(const struct view *v, const char *id, char **ret_text)
{
	struct seal_counts n;
	struct garbage g;
	struct ledger_stubs stubs;
	int collected;
	int r;

	(void)id;
	if (!v->up.seal)
		return -EOPNOTSUPP;
	seal_count(v->up.seal, &n);
	r = ledger_sync(v->ledger);
	collected = r < 0 ? r : seal_garbage(v->up.seal, false, &g);
	if (collected < 0 && collected != -EAGAIN)
		return collected;
	r = ledger_stub_usage_all(v->ledger, &stubs);
	if (r < 0)
		return r;
	return json_to_text(sharing_of(&g, &stubs, &n.share, collected == 0), ret_text);
}

int upkeep_remove(const struct view *v, const char *text, size_t len)
{
	struct garbage g;

	if (!is_word("remove", text, len))
		return -EINVAL;
	return v->up.seal ? seal_garbage(v->up.seal, true, &g) : -EOPNOTSUPP;
}

/* ---- check.json ---- */

static int add_problem(void *arg, const struct check_problem *p)
{
	_cleanup_free_ char *path = utf8_dup(p->path, PATH_MAX);
	json_t *problem;

	if (!path)
		return -ENOMEM;
	if (json_array_size(arg) >= UPKEEP_PROBLEMS_MAX)
		return 0;
	problem = json_pack("{s:s,s:s}", "problem", check_kind_name(p->kind), "path", path);
	return json_array_append_new(arg, problem) < 0 ? -ENOMEM : 0;
}

/* Takes `problems` over. */
static json_t *check_of(const struct check_counts *n, bool ready, json_t *problems)
{
	const struct json_field fields[] = {
		{ "ready", json_boolean(ready) },    { "files", number(n->files) },
		{ "stubs", number(n->stubs) },	     { "blobs", number(n->blobs) },
		{ "problems", number(n->problems) }, { "list", problems },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

/* How many there are, as far as is accounted; 0: not known. */
static uint64_t about_files(const struct view *v)
{
	struct view_sums sums;

	return view_sums(v, &sums) < 0 ? 0 : sums.files;
}

int upkeep_check(const struct view *v, const char *id, char **ret_text)
{
	_cleanup_(json_decrefp) json_t *problems = json_array();
	struct check_counts n;
	int r;

	(void)id;
	if (!v->up.seal || !problems)
		return v->up.seal ? -ENOMEM : -EOPNOTSUPP;
	r = seal_check(v->up.seal, false, about_files(v), add_problem, problems, &n);
	if (r < 0 && r != -EAGAIN)
		return r;
	return json_to_text(check_of(&n, r == 0, TAKE_PTR(problems)), ret_text);
}

static int ignore(void *arg, const struct check_problem *p)
{
	(void)arg;
	(void)p;
	return 0;
}

int upkeep_repair(const struct view *v, const char *text, size_t len)
{
	struct check_counts n;

	if (!is_word("repair", text, len))
		return -EINVAL;
	return v->up.seal ? seal_check(v->up.seal, true, about_files(v), ignore, NULL, &n)
			  : -EOPNOTSUPP;
}

/* ---- progress.json ---- */

static json_t *json_of_task(const struct task_view *t)
{
	const struct json_field fields[] = {
		{ "task", json_string(t->name) },
		{ "unit", json_string(t->unit) },
		{ "done", number(t->done) },
		{ "whole", t->whole > 0 ? number(MAX_OF(t->whole, t->done)) : json_null() },
		{ "seconds", json_of_ns(t->took_ns) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

int upkeep_progress(const struct view *v, const char *id, char **ret_text)
{
	json_t *list = json_array();
	const struct json_field field = { "tasks", list };
	struct task_view task;

	(void)id;
	for (size_t i = 0; v->up.seal && list && i < TASKS_MAX; i++) {
		if (task_look(seal_tasks(v->up.seal), i, &task) &&
		    json_array_append_new(list, json_of_task(&task)) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return json_to_text(json_of_fields(&field, 1), ret_text);
}
