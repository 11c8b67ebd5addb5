/* SPDX-License-Identifier: MIT */
/*
 * A change is made on a copy, checked, and told to the layers; then the copy is what is in force.
 */
#include "tuning.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_record.h"
#include "config/option.h"
#include "daemon.h"
#include "exec/reaper.h"
#include "fuse/front.h"
#include "seal/seal.h"
#include "util/cleanup.h"

static const struct config_place at_run_time = { .from = CONFIG_CHANGED };

struct exec_limits tuning_limits(const struct config *c)
{
	return (struct exec_limits){
		.bytes = c->exec_bytes,
		.files = c->exec_files,
		.strict = c->limit == LIMIT_STRICT,
	};
}

enum log_level tuning_log_level(const struct config *c)
{
	return (enum log_level)(LOG_LEVEL_ERROR + c->log);
}

void tuning_now(struct daemon *d, struct config *ret)
{
	LOCK_SCOPE(&d->tuning);
	*ret = d->config;
}

/* ---- shown ---- */

/* In quotes if it would be cut else. */
static void put_value(FILE *out, const char *value)
{
	const char *quote = strpbrk(value, " \t#\"'") ? strchr(value, '"') ? "'" : "\"" : "";

	fprintf(out, "%s%s%s", quote, value, quote);
}

static void put_options(FILE *out, const struct config *c)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		char value[PATH_MAX], origin[PATH_MAX + 32];

		if (!o->help)
			continue;
		fprintf(out, "%s = ", o->name);
		put_value(out, option_format(o, c, value, sizeof(value)));
		fprintf(out, " # %s%s\n", config_origin_text(c, i, origin, sizeof(origin)),
			o->live ? " (can be changed)" : "");
	}
}

int tuning_text(struct daemon *d, char **ret)
{
	_cleanup_free_ char *text = NULL;
	struct config now;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	tuning_now(d, &now);
	put_options(out, &now);
	if (fclose(out) != 0 || len == 0)
		return -ENOMEM;
	text[len - 1] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

/* ---- changed ---- */

int tuning_check_store(const struct config *c, const struct store *store,
		       struct config_error *error)
{
	struct room_marks m = config_marks(c);
	char high[32], low[32];
	struct room room;
	int r;

	if (!room_mark_is_set(&m.high))
		return 0;
	r = room_look(store, &room);
	if (r < 0 || room_marks_fit(&m.high, &m.low, room.bytes.total))
		return r;
	return config_fail(
		error, &at_run_time,
		"option low=%s leaves no more of this store free than high=%s does; give a lower one",
		room_format_mark(&m.low, low, sizeof(low)),
		room_format_mark(&m.high, high, sizeof(high)));
}

static int say(struct config *c, char *word, struct config_error *error)
{
	char *equals = strchr(word, '=');
	const struct option *o;

	if (equals)
		*equals = '\0';
	o = option_find(word);
	if (o && !o->live) {
		(void)config_fail(error, &at_run_time,
				  "option '%s' cannot be changed while mounted; set it where it is "
				  "mounted, and mount anew",
				  word);
		return -EPERM;
	}
	return config_say(c, word, equals ? equals + 1 : NULL, &at_run_time, error);
}

static int say_all(struct config *c, char *text, struct config_error *error)
{
	char *save = NULL;
	int n = 0;

	for (char *word = strtok_r(text, " \t\n,", &save); word;
	     word = strtok_r(NULL, " \t\n,", &save)) {
		int r = say(c, word, error);

		if (r < 0)
			return r;
		n++;
	}
	return n > 0 ? 0
		     : config_fail(error, &at_run_time, "nothing to change; say OPTION=VALUE ...");
}

/* How a write is served is decided when files are opened, of which there are some. */
static int check_strict(const struct config *old, const struct config *new,
			struct config_error *error)
{
	if (new->limit != LIMIT_STRICT || (old->exec_bytes == 0) == (new->exec_bytes == 0))
		return 0;
	(void)config_fail(error, &at_run_time,
			  "with limit=strict, exec_bytes can be changed but neither begin nor end "
			  "while mounted; mount anew");
	return -EPERM;
}

static int check(struct daemon *d, const struct config *new, struct config_error *error)
{
	int r = config_check(new, error);

	if (r == 0)
		r = check_strict(&d->config, new, error);
	if (r == 0)
		r = tuning_check_store(new, &d->store, error);
	if (r < 0 && !error->text[0])
		(void)config_fail(error, &at_run_time, "cannot see how full the store is: %s",
				  strerror(-r));
	return r;
}

static void tell_layers(struct daemon *d, const struct config *c)
{
	struct exec_limits limits = tuning_limits(c);
	struct room_marks marks = config_marks(c);

	if (exec_tune(d->execs, c->ttl_ns, &limits) < 0)
		log_warning(
			"option ttl: out of memory; executions that are not used go by the old one");
	reaper_set_marks(d->reaper, &marks);
	seal_set_dedup_min(d->seal, c->dedup_min_bytes);
	fs_set_slow(d->fs, c->slow_ns);
	log_set_level(tuning_log_level(c));
}

static void log_changes(const struct config *old, const struct config *new,
			const struct control_caller *caller)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)); i++) {
		char before[64], after[64];

		if (!o->live || strcmp(option_format(o, old, before, sizeof(before)),
				       option_format(o, new, after, sizeof(after))) == 0)
			continue;
		log_notice("option changed %s=%s before=%s by_pid=%d", o->name, after, before,
			   (int)caller->who.pid);
	}
}

/* Nothing but what is live: the rest is read without the lock. */
static void take_over(struct config *c, const struct config *new)
{
	c->ttl_ns = new->ttl_ns;
	c->marks = new->marks;
	c->exec_bytes = new->exec_bytes;
	c->exec_files = new->exec_files;
	c->dedup_min_bytes = new->dedup_min_bytes;
	c->slow_ns = new->slow_ns;
	c->log = new->log;
	memcpy(c->origins, new->origins, sizeof(c->origins));
}

/* Of one text of KEEP_CONFIG. Source: twice as much as if all options were live; their values are numbers, or a word. */
#define KEPT_MAX ((size_t)16 << 10)

/*
 * KEEP_CONFIG: the live options, a line each as config/config_record.h has it, for who goes on may be another program. The one that is
 * being written is not the one that is read.
 */
struct kept {
	_Atomic uint32_t current; /* counted from 1; 0: nothing was changed */
	char of[2][KEPT_MAX];
};

static struct kept *kept_of(const struct daemon *d)
{
	_Static_assert(sizeof(struct kept) <= (size_t)64 << 10, "see the area's size in keep.c");
	return keep_area(d->keep, KEEP_CONFIG);
}

static void put_records(char buf[KEPT_MAX], const struct config *c)
{
	char record[CONFIG_RECORD_MAX];
	const struct option *o;
	size_t at = 0;

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (!o->live)
			continue;
		config_record_format(c, i, record);
		if (strlen(record) + 2 <= KEPT_MAX - at)
			at += (size_t)sprintf(buf + at, "%s\n", record);
	}
	buf[at] = '\0';
}

static void keep_config(const struct daemon *d)
{
	struct kept *k = kept_of(d);
	uint32_t other = atomic_load(&k->current) == 1 ? 2 : 1;

	put_records(k->of[other - 1], &d->config);
	atomic_store(&k->current, other);
}

void tuning_restore(struct daemon *d)
{
	const struct kept *k = kept_of(d);
	uint32_t current = atomic_load(&k->current);
	const char *line = current ? k->of[current - 1] : "";
	char record[CONFIG_RECORD_MAX];
	struct config_error error;

	for (; *line; line += strcspn(line, "\n") + 1) {
		(void)snprintf(record, sizeof(record), "%.*s", (int)strcspn(line, "\n"), line);
		if (config_record_say(&d->config, record, &error) < 0)
			log_warning("%s, ignoring", error.text);
	}
}

static int change(struct daemon *d, const struct control_caller *caller, char *text,
		  struct config_error *error)
{
	struct config new;
	int r;

	LOCK_SCOPE(&d->tuning);
	new = d->config;
	r = say_all(&new, text, error);
	if (r == 0)
		r = check(d, &new, error);
	if (r < 0)
		return r;
	log_changes(&d->config, &new, caller);
	tell_layers(d, &new);
	take_over(&d->config, &new);
	keep_config(d);
	return 0;
}

int tuning_change(struct daemon *d, const struct control_caller *caller, const char *text,
		  size_t len, struct control_reason *why)
{
	_cleanup_free_ char *copy = strndup(text, len);
	struct config_error error = { .text = "out of memory" };
	int r = -ENOMEM;

	if (copy) {
		error.text[0] = '\0';
		r = change(d, caller, copy, &error);
	}
	if (r < 0)
		(void)snprintf(why->text, sizeof(why->text), "%s\n", error.text);
	return r;
}
