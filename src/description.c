/* SPDX-License-Identifier: MIT */
/*
 * Records to and from the area. Numbers and texts are in a table each.
 */
#include "description.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baton/interface.h"
#include "config/config_record.h"
#include "config/option.h"
#include "tuning.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/parse.h"

/* Everything that is told, but for the options. */
struct facts {
	int fd, lock_fd, tree_fd, trash_fd, blobs_fd;
	int host_ns, host_root, inner_ns, inner_root;
	int memory, huge, helper, foreground;
	int generation, upgrades;
	int http_fd;
	int before_fd, back;
	int spill_fd, spill_lock_fd, spill_blobs_fd;
	char spill[PATH_MAX];
	char version[64];
	char path[PATH_MAX];
	char file[PATH_MAX];
	char mountpoint[PATH_MAX];
	char store[PATH_MAX];
};

#define NUMBER(name, field, needed)                                                                \
	{                                                                                          \
		name, offsetof(struct facts, field), 0, needed                                     \
	}
#define TEXT(name, field, needed)                                                                  \
	{                                                                                          \
		name, offsetof(struct facts, field), sizeof(((struct facts *)0)->field), needed    \
	}

static const struct fact {
	const char *name;
	size_t offset;
	size_t size; /* of a text, with its NUL; 0: an int, at least 0, or -1 */
	bool needed;
} facts[] = {
	TEXT("version", version, true),
	TEXT("program", path, true),
	TEXT("configuration", file, false),
	TEXT("mountpoint", mountpoint, true),
	NUMBER("workers", generation, true),
	NUMBER("upgrades", upgrades, true),
	NUMBER("helper", helper, true),
	NUMBER("foreground", foreground, true),
	NUMBER("http.fd", http_fd, false),
	NUMBER("program.fd", before_fd, false),
	NUMBER("back", back, false),
	TEXT("spill", spill, false),
	NUMBER("spill.fd", spill_fd, false),
	NUMBER("spill.lock", spill_lock_fd, false),
	NUMBER("spill.blobs", spill_blobs_fd, false),
	TEXT("store", store, true),
	NUMBER("store.memory", memory, true),
	NUMBER("store.huge", huge, true),
	NUMBER("store.fd", fd, true),
	NUMBER("store.lock", lock_fd, true),
	NUMBER("store.tree", tree_fd, true),
	NUMBER("store.trash", trash_fd, true),
	NUMBER("store.blobs", blobs_fd, true),
	NUMBER("store.host.ns", host_ns, false),
	NUMBER("store.host.root", host_root, false),
	NUMBER("store.inner.ns", inner_ns, false),
	NUMBER("store.inner.root", inner_root, false),
};

PRINTF(2, 3) static int fail(struct handover_reason *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- writing ---- */

struct writer {
	char *at;
	char *end;
	bool full;
};

PRINTF(2, 3) static void put(struct writer *w, const char *fmt, ...)
{
	size_t room = (size_t)(w->end - w->at);
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(w->at, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n + 2 > room) /* the end needs one, too */
		w->full = true;
	else
		w->at += n + 1;
}

static void put_facts(struct writer *w, const struct facts *all)
{
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		const char *field = (const char *)all + facts[i].offset;

		if (facts[i].size > 0)
			put(w, "%s=%s", facts[i].name, field);
		else
			put(w, "%s=%d", facts[i].name, *(const int *)(const void *)field);
	}
}

static void put_options(struct writer *w, const struct config *c)
{
	const struct option *o;
	char record[CONFIG_RECORD_MAX];

	for (size_t i = 0; (o = option_at(i)); i++) {
		if (!o->help)
			continue;
		config_record_format(c, i, record);
		put(w, "option=%s", record);
	}
}

static struct facts facts_of(const struct upgrade *u, unsigned int generation)
{
	const struct daemon *d = u->daemon;
	const struct store *st = &d->store;
	struct facts f = {
		.fd = st->fd,
		.lock_fd = st->lock_fd,
		.tree_fd = st->tree_fd,
		.trash_fd = st->trash_fd,
		.blobs_fd = st->blobs_fd,
		.host_ns = st->ns.host.ns_fd,
		.host_root = st->ns.host.root_fd,
		.inner_ns = st->ns.inner.ns_fd,
		.inner_root = st->ns.inner.root_fd,
		.memory = st->memory,
		.huge = st->huge,
		.helper = u->helper,
		.foreground = d->config.foreground,
		.generation = (int)generation,
		.http_fd = u->http_fd,
		.spill_fd = d->spill.fd,
		.spill_lock_fd = d->spill.lock_fd,
		.spill_blobs_fd = d->spill.blobs_fd,
		.upgrades = (int)d->upgrades + (u->back ? -1 : 1),
		.before_fd = u->back ? -1 : u->own_fd,
		.back = u->back,
		.version = BATON_VERSION,
	};

	(void)snprintf(f.path, sizeof(f.path), "%s", u->path);
	(void)snprintf(f.file, sizeof(f.file), "%s", d->config.file);
	(void)snprintf(f.mountpoint, sizeof(f.mountpoint), "%s", d->mountpoint);
	(void)snprintf(f.store, sizeof(f.store), "%s", st->path);
	if (d->spill.path)
		(void)snprintf(f.spill, sizeof(f.spill), "%s", d->spill.path);
	return f;
}

int description_write(struct upgrade *u, unsigned int generation)
{
	char *area = keep_area(u->daemon->keep, KEEP_HANDOVER);
	struct writer w = { .at = area, .end = area + keep_area_size(KEEP_HANDOVER) };
	struct facts f;

	tuning_restore(u->daemon); /* as workers have changed it */
	f = facts_of(u, generation);
	put_facts(&w, &f);
	put_options(&w, &u->daemon->config);
	*w.at = '\0';
	return w.full ? -E2BIG : 0;
}

/* ---- reading ---- */

static const struct fact *find_fact(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		if (strlen(facts[i].name) == len && memcmp(facts[i].name, name, len) == 0)
			return &facts[i];
	}
	return NULL;
}

static int read_fact(const struct fact *fact, const char *value, struct facts *ret,
		     struct handover_reason *why)
{
	char *field = (char *)ret + fact->offset;
	char *end;
	long n;

	if (fact->size > 0 && strlen(value) < fact->size) {
		memcpy(field, value, strlen(value) + 1);
		return 0;
	}
	errno = 0;
	n = strtol(value, &end, 10);
	if (fact->size > 0 || errno || end == value || *end || n < -1 || n > INT_MAX)
		return fail(why, "%s=%s is not understood", fact->name, value);
	*(int *)(void *)field = (int)n;
	return 0;
}

/* One that is not known any more means nothing. */
static int read_option(const char *text, struct config *c, struct handover_reason *why)
{
	struct config_error error;
	int r = config_record_say(c, text, &error);

	if (r == -ENOENT)
		log_warning("%s, ignoring", error.text);
	return r < 0 && r != -ENOENT ? fail(why, "%s", error.text) : 0;
}

static int read_record(const char *record, struct facts *f, bool seen[], struct config *c,
		       struct handover_reason *why)
{
	size_t len = strcspn(record, "=");
	const struct fact *fact = find_fact(record, len);

	if (!record[len])
		return fail(why, "%s is not understood", record);
	if (len == strlen("option") && strncmp(record, "option", len) == 0)
		return read_option(record + len + 1, c, why);
	if (!fact)
		return 0;
	seen[fact - facts] = true;
	return read_fact(fact, record + len + 1, f, why);
}

static int read_records(const struct keep *keep, struct facts *f, struct config *c,
			struct handover_reason *why)
{
	const char *record = keep_area(keep, KEEP_HANDOVER);
	const char *end = record + keep_area_size(KEEP_HANDOVER);
	bool seen[ARRAY_SIZE(facts)] = { false };
	int r = 0;

	while (r == 0 && record < end && *record && memchr(record, '\0', (size_t)(end - record))) {
		r = read_record(record, f, seen, c, why);
		record += strlen(record) + 1;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(facts); i++) {
		if (facts[i].needed && !seen[i])
			r = fail(why, "it is not said what %s is", facts[i].name);
	}
	return r;
}

static int use_facts(const struct facts *f, struct upgrade *u)
{
	struct daemon *d = u->daemon;

	d->store = (struct store){
		.path = strdup(f->store),
		.memory = f->memory == 1,
		.huge = f->huge == 1,
		.ns = { { f->host_ns, f->host_root }, { f->inner_ns, f->inner_root } },
		.fd = f->fd,
		.lock_fd = f->lock_fd,
		.tree_fd = f->tree_fd,
		.trash_fd = f->trash_fd,
		.blobs_fd = f->blobs_fd,
	};
	d->spill = (struct spilldir){ .path = f->spill[0] ? strdup(f->spill) : NULL,
				      .fd = f->spill_fd,
				      .lock_fd = f->spill_lock_fd,
				      .blobs_fd = f->spill_blobs_fd };
	d->mountpoint = strdup(f->mountpoint);
	d->config.mountpoint = d->mountpoint;
	d->config.foreground = f->foreground == 1;
	memcpy(d->config.file, f->file, sizeof(d->config.file));
	d->upgrades = (unsigned int)f->upgrades;
	u->helper = f->helper == 1;
	u->http_fd = f->http_fd;
	u->before_fd = f->before_fd;
	u->back = f->back == 1;
	memcpy(u->path, f->path, sizeof(u->path));
	memcpy(u->before, f->version, sizeof(u->before));
	return d->store.path && d->mountpoint && (d->spill.path || !f->spill[0]) ? 0 : -ENOMEM;
}

int description_read(struct upgrade *u, unsigned int *ret_generation, struct handover_reason *why)
{
	struct config *c = &u->daemon->config;
	struct facts f = {
		.host_ns = -1,
		.host_root = -1,
		.inner_ns = -1,
		.inner_root = -1,
		.http_fd = -1,
		.before_fd = -1,
		.spill_fd = -1,
		.spill_lock_fd = -1,
		.spill_blobs_fd = -1,
	};
	int r;

	option_defaults(c);
	r = read_records(u->daemon->keep, &f, c, why);
	if (r < 0)
		return r;
	*ret_generation = (unsigned int)f.generation;
	r = use_facts(&f, u);
	return r < 0 ? fail(why, "out of memory") : 0;
}
