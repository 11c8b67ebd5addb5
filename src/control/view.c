/* SPDX-License-Identifier: MIT */
/*
 * Looking at executions, and the texts that are made of it.
 */
#include "control/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "baton/interface.h"
#include "control/json.h"
#include "util/clock.h"
#include "util/log.h"

/* Releases that why/ID tells of, the newest. Source: what a person reads, and 40 KiB. */
#define WHY_MAX 100

/* ---- one execution ---- */

void view_one_done(struct view_one *one)
{
	exec_unref(one->execs, one->exec);
}

static bool is_real(const struct exec_info *info)
{
	return info->state == EXEC_ACTIVE || info->state == EXEC_RELEASING ||
	       info->state == EXEC_MOVING;
}

static bool sees(const struct view *v, const struct exec_info *info)
{
	return viewer_sees_execution(&v->viewer, info->lifetime, info->owner.uid);
}

int view_one(const struct view *v, const char *id, struct view_one *one)
{
	struct exec_info info;

	one->execs = v->execs;
	one->exec = exec_lookup(v->execs, id);
	if (!one->exec)
		return -ENOENT;
	exec_info(v->execs, one->exec, &info);
	if (!is_real(&info) || !sees(v, &info)) /* released or emptied just now; or not his */
		return -ENOENT;
	one->info = info;
	return 0;
}

int view_has_execution(const struct view *v, const char *id)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;

	return view_one(v, id, &one);
}

/* ---- all executions ---- */

struct collect {
	const struct view *view; /* borrowed */
	uint64_t after;		 /* only those with a number above this */
	struct view_list *list;	 /* borrowed */
};

void view_list_done(struct view_list *list)
{
	free(list->infos);
}

static int collect(void *arg, struct execution *e)
{
	struct collect *c = arg;
	struct view_list *l = c->list;
	struct exec_info info;

	exec_info(c->view->execs, e, &info);
	if (!is_real(&info) || info.number <= c->after || !sees(c->view, &info))
		return 0;
	if (l->n == l->room) {
		size_t room = MAX_OF(l->room * 2, (size_t)64);
		struct exec_info *infos = reallocarray(l->infos, room, sizeof(*infos));

		if (!infos)
			return -ENOMEM;
		l->infos = infos;
		l->room = room;
	}
	l->infos[l->n++] = info;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct exec_info *)a)->number;
	uint64_t y = ((const struct exec_info *)b)->number;

	return (x > y) - (x < y);
}

int view_list(const struct view *v, uint64_t after, struct view_list *list)
{
	struct collect c = { .view = v, .after = after, .list = list };
	int r = exec_each(v->execs, collect, &c);

	if (r == 0 && list->n > 0)
		qsort(list->infos, list->n, sizeof(*list->infos), by_number);
	return r;
}

/* ---- texts ---- */

int view_version(const struct view *v, const char *id, char **ret_text)
{
	(void)v;
	(void)id;
	*ret_text = strdup("batonfs " BATON_VERSION);
	return *ret_text ? 0 : -ENOMEM;
}

int view_executions(const struct view *v, const char *id, char **ret_text)
{
	_cleanup_view_list_ struct view_list l = VIEW_LIST_NONE;
	_cleanup_(json_decrefp) json_t *array = json_array();
	struct json_field field = { .key = "executions" };
	int r = view_list(v, 0, &l);

	(void)id;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		if (json_array_append_new(array, json_of_execution(&l.infos[i])) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		return r;
	field.value = TAKE_PTR(array);
	return json_to_text(json_of_fields(&field, 1), ret_text);
}

static int sums_add(void *arg, struct execution *e)
{
	struct view_sums *s = arg;
	struct exec_info info;

	exec_info(s->execs, e, &info);
	if (!is_real(&info))
		return 0;
	s->executions++;
	s->pinned += info.pinned;
	s->bytes = MIN_OF(s->bytes + info.bytes, (uint64_t)INT64_MAX); /* none has more */
	s->files += info.files;
	s->open += info.open;
	return 0;
}

int view_sums(const struct view *v, struct view_sums *ret)
{
	*ret = (struct view_sums){ .execs = v->execs };
	return exec_each(v->execs, sums_add, ret);
}

static json_t *status_of(const struct view_sums *sums, const struct ledger_stats *stats)
{
	const struct json_field fields[] = {
		{ "version", json_string(BATON_VERSION) },
		{ "executions", json_integer((json_int_t)sums->executions) },
		{ "bytes", json_integer((json_int_t)sums->bytes) },
		{ "files", json_integer((json_int_t)sums->files) },
		{ "open", json_integer((json_int_t)sums->open) },
		{ "ledger", json_of_ledger(stats) },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

int view_status(const struct view *v, const char *id, char **ret_text)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	struct view_sums sums;
	struct ledger_stats stats;
	int r = view_sums(v, &sums);

	(void)id;
	if (r < 0)
		return r;
	ledger_stats(v->ledger, &stats);
	status = status_of(&sums, &stats);
	if (status && v->up.status)
		v->up.status(v->up.ctx, status);
	return json_to_text(TAKE_PTR(status), ret_text);
}

int view_config(const struct view *v, const char *id, char **ret_text)
{
	(void)id;
	return v->up.config ? v->up.config(v->up.ctx, ret_text) : -EOPNOTSUPP;
}

/* ---- why ---- */

struct releases {
	const struct viewer *viewer; /* borrowed */
	json_t *array;		     /* borrowed */
};

static int add_release(void *arg, const struct ledger_release *r)
{
	struct releases *to = arg;

	if (!viewer_sees(to->viewer, r->owner.uid))
		return 0;
	return json_array_append_new(to->array, json_of_release(r)) < 0 ? -ENOMEM : 0;
}

/* The releases on record. Waits for what is on its way, so that who released it reads of it. */
static int releases(const struct view *v, const char *id, uint32_t max, json_t **ret)
{
	_cleanup_(json_decrefp) json_t *array = json_array();
	struct releases to = { .viewer = &v->viewer, .array = array };
	int r;

	if (!array)
		return -ENOMEM;
	r = ledger_sync(v->ledger);
	if (r < 0) /* what cannot be written is missing; status.json says why */
		log_debug("why: the ledger cannot commit error=%s, ignoring", log_errname(r));
	r = ledger_each_release(v->ledger, id, max, add_release, &to);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(array);
	return 0;
}

/* Takes `gone` over. */
static json_t *why_of(const char *id, const struct exec_info *now, json_t *gone)
{
	const struct json_field fields[] = {
		{ "execution", json_string(id) },
		{ "now", now ? json_of_execution(now) : json_null() },
		{ "releases", gone },
	};

	return json_of_fields(fields, ARRAY_SIZE(fields));
}

int view_why(const struct view *v, const char *id, char **ret_text)
{
	_cleanup_view_one_ struct view_one one = VIEW_ONE_NONE;
	_cleanup_(json_decrefp) json_t *gone = NULL;
	bool alive = view_one(v, id, &one) == 0;
	int r = releases(v, id, WHY_MAX, &gone);

	if (r < 0)
		return r;
	if (!alive && json_array_size(gone) == 0)
		return -ENOENT;
	return json_to_text(why_of(id, alive ? &one.info : NULL, TAKE_PTR(gone)), ret_text);
}

int view_knows(const struct view *v, const char *id)
{
	_cleanup_(json_decrefp) json_t *gone = NULL;
	int r = view_has_execution(v, id);

	if (r != -ENOENT)
		return r;
	r = releases(v, id, v->viewer.restricted ? WHY_MAX : 1, &gone);
	if (r < 0)
		return r;
	return json_array_size(gone) > 0 ? 0 : -ENOENT;
}
