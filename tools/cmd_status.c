/* SPDX-License-Identifier: MIT */
/*
 * baton status: the mount's own account of itself.
 */
#include "baton.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "say.h"
#include "util/clock.h"
#include "util/parse.h"

static void line(const char *label, const char *text)
{
	(void)printf("%-13s %s\n", label, text);
}

static void print_store(const json_t *s)
{
	char size[SAY_MAX], free_[SAY_MAX];
	const char *huge = field_text(s, "hugepages");

	(void)printf("%-13s %s (%s%s%s), %s free of %s\n", "Store:", field_text(s, "store"),
		     field_text(s, "filesystem"), *huge ? ", huge pages " : "", huge,
		     format_size((uint64_t)field_int(s, "free"), free_, sizeof(free_)),
		     format_size((uint64_t)field_int(s, "size"), size, sizeof(size)));
}

static void print_passthrough(const json_t *s)
{
	const json_t *opens = json_object_get(s, "opens");

	if (field_bool(s, "passthrough"))
		line("Passthrough:", "on");
	else
		(void)printf("%-13s off: %s\n", "Passthrough:", field_text(s, "passthrough_why"));
	(void)printf("%-13s %" PRId64 " by passthrough, %" PRId64 " by the daemon\n",
		     "Opens:", field_int(opens, "passthrough"), field_int(opens, "daemon"));
}

static void print_takeover(const json_t *s)
{
	int64_t takeovers = field_int(s, "takeovers");
	int64_t upgrades = field_int(s, "upgrades");

	if (!field_bool(s, "takeover"))
		(void)printf("%-13s off: %s\n", "Takeover:", field_text(s, "takeover_why"));
	else
		(void)printf("%-13s on, pid %" PRId64 " serves; %" PRId64
			     " died before it, %" PRId64 " %s\n",
			     "Takeover:", field_int(s, "worker"), takeovers, upgrades,
			     upgrades == 1 ? "upgrade" : "upgrades");
}

static void print_room(const json_t *s)
{
	const json_t *room = json_object_get(s, "room");
	const char *high = field_text(room, "high");
	char text[SAY_MAX];

	if (strcmp(high, "never") == 0)
		return;
	(void)printf("%-13s makes room above %s, down to %s%s: %" PRId64 " executions and %" PRId64
		     " files went early, %s\n",
		     "Room:", high, field_text(room, "low"), strchr(high, '%') ? "" : " free",
		     field_int(room, "evicted"), field_int(room, "evicted_files"),
		     format_size((uint64_t)field_int(room, "evicted_bytes"), text, sizeof(text)));
}

static void print_spill(const json_t *s)
{
	const json_t *spill = json_object_get(s, "spill");
	char size[SAY_MAX], free_[SAY_MAX], moved[SAY_MAX];

	if (!json_is_object(spill))
		return;
	(void)printf("%-13s %s in %" PRId64
		     " contents in %s (%s), %s free; %s moved so far, %" PRId64 " begun there%s\n",
		     "Spilled:",
		     format_size((uint64_t)field_int(spill, "bytes"), size, sizeof(size)),
		     field_int(spill, "contents"), field_text(spill, "directory"),
		     field_text(spill, "filesystem"),
		     format_size((uint64_t)field_int(spill, "free"), free_, sizeof(free_)),
		     format_size((uint64_t)field_int(spill, "moved_bytes"), moved, sizeof(moved)),
		     field_int(spill, "begun"),
		     json_is_true(json_object_get(spill, "short")) ? "; memory is short" : "");
}

static void print_limits(const json_t *s)
{
	const json_t *limits = json_object_get(s, "limits");
	char text[SAY_MAX];
	bool bytes = field_has_number(limits, "bytes");
	bool files = field_has_number(limits, "files");

	if (!bytes && !files)
		return;
	(void)printf("%-13s ", "Limits:");
	if (bytes)
		(void)printf("%s (%s)%s",
			     format_size((uint64_t)field_int(limits, "bytes"), text, sizeof(text)),
			     field_text(limits, "limit"), files ? ", " : "");
	if (files)
		(void)printf("%" PRId64 " files", field_int(limits, "files"));
	(void)printf(" for each execution\n");
}

static void print_requests(json_t *requests)
{
	const char *gap = "";
	const char *name;
	json_t *count;

	(void)printf("%-13s ", "Requests:");
	json_object_foreach(requests, name, count)
	{
		if (json_integer_value(count) == 0)
			continue;
		(void)printf("%s%s %" PRId64, gap, name, (int64_t)json_integer_value(count));
		gap = ", ";
	}
	(void)printf("%s\n", *gap ? "" : "none");
}

static void print_ledger(const json_t *ledger)
{
	const char *aside = field_text(ledger, "set_aside");
	const char *error = field_text(ledger, "error");

	(void)printf("%-13s %s at start, %" PRId64 " events in %" PRId64 " commits, %" PRId64
		     " waits\n",
		     "Ledger:", field_text(ledger, "state"), field_int(ledger, "events"),
		     field_int(ledger, "commits"), field_int(ledger, "waits"));
	if (*aside)
		(void)printf("%-13s the old one could not be read and is kept as %s\n", "", aside);
	if (*error)
		(void)printf("%-13s cannot be written: %s\n", "", error);
}

static void print_status(const json_t *s)
{
	double now = (double)clock_real_ns() / NS_PER_S;
	char a[SAY_MAX], b[SAY_MAX];

	(void)printf("%-13s batonfs %s at %s, pid %" PRId64 ", up %s (since %s)\n",
		     "Mount:", field_text(s, "version"), field_text(s, "mountpoint"),
		     field_int(s, "pid"),
		     say_duration(now - field_number(s, "started"), a, sizeof(a)),
		     say_time(field_number(s, "started"), b, sizeof(b)));
	print_store(s);
	(void)printf("%-13s ttl=%s, autodir=%s, threads=%" PRId64 "\n", "Options:",
		     field_has_number(s, "ttl") ? say_duration(field_number(s, "ttl"), a, sizeof(a))
						: "never",
		     field_bool(s, "autodir") ? "on" : "off", field_int(s, "threads"));
	(void)printf("%-13s %" PRId64 " executions, %s, %" PRId64 " open\n",
		     "Contents:", field_int(s, "executions"),
		     say_usage(field_int(s, "files"), field_int(s, "bytes"), a, sizeof(a)),
		     field_int(s, "open"));
	(void)printf("%-13s %" PRId64 " inodes known to the kernel, %" PRId64
		     " released waiting for deletion\n",
		     "Behind it:", field_int(s, "inodes_known"), field_int(s, "trash"));
	print_room(s);
	print_spill(s);
	print_limits(s);
	print_passthrough(s);
	print_takeover(s);
	print_requests(json_object_get(s, "requests"));
	print_ledger(json_object_get(s, "ledger"));
}

enum baton_exit cmd_status(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *status = NULL;
	int r;

	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_read_json(&c, "status.json", &status);
	if (r < 0) {
		client_complain_file(&c, "status.json", r);
		return BATON_FAILED;
	}
	if (inv->json)
		client_print_json(status);
	else
		print_status(status);
	return BATON_OK;
}
