/* SPDX-License-Identifier: MIT */
/*
 * The table, and values to and from text.
 */
#include "config/option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/clock.h"
#include "util/parse.h"

/* Longest ttl but "never": a hundred years, so that sums of times cannot overflow. */
#define TTL_MAX_NS (INT64_C(100) * 365 * 86400 * NS_PER_S)

#define AT(field) .offset = offsetof(struct config, field)

/* clang-format off */
static const struct option options[] = {
	{ .name = "source", .type = OPTION_TEXT, AT(source), .max = sizeof(((struct config *)0)->source),
	  .initial = "memory:50%",
	  .help = "memory|memory:SIZE|memory:PERCENT%|DIR  the store, if SOURCE is `none`" },
	{ .name = "ttl", .type = OPTION_DURATION, AT(ttl_ns), .max = TTL_MAX_NS, .initial = "1h", .live = true,
	  .help = "TIME  an execution goes when nothing was done in it for so long: 90s, 30m, 2h, 7d, never" },
	{ .name = "high", .type = OPTION_MARK, AT(marks.high), .initial = "never", .live = true,
	  .help = "PERCENT%|SIZE|never  executions idle longest go early when the store is fuller, or has less free" },
	{ .name = "low", .type = OPTION_MARK, AT(marks.low), .unset = "auto", .initial = "auto", .live = true,
	  .help = "PERCENT%|SIZE|auto  ... until it is no fuller than this, or has so much free; auto: 5/6 of high, or twice its SIZE" },
	{ .name = "spill", .type = OPTION_TEXT, AT(spill), .max = sizeof(((struct config *)0)->spill), .unset = "none",
	  .initial = "none",
	  .help = "DIR|none  a store in memory that fills moves what is idle longest to this directory on a disk, first" },
	{ .name = "exec_bytes", .type = OPTION_SIZE, AT(exec_bytes), .min = 1, .max = INT64_MAX, .unset = "none",
	  .initial = "none", .live = true,
	  .help = "SIZE|none  what the files of an execution may have together, by their sizes" },
	{ .name = "exec_files", .type = OPTION_COUNT, AT(exec_files), .min = 1, .max = INT64_MAX, .unset = "none",
	  .initial = "none", .live = true,
	  .help = "N|none  how many regular files an execution may have" },
	{ .name = "limit", .type = OPTION_CHOICE, AT(limit), .choices = "open|strict", .initial = "open",
	  .help = "open|strict  exec_bytes is looked at when a file is opened for writing; or exact, but writes go through the daemon" },
	{ .name = "autodir", .type = OPTION_BOOL, AT(autodir), .initial = "on",
	  .help = "on|off  directories named like n8n's execution IDs exist before they are made" },
	{ .name = "passthrough", .type = OPTION_CHOICE, AT(passthrough), .choices = "auto|off|on",
	  .initial = "auto",
	  .help = "auto|off|on  let the kernel read and write without the daemon; on: fail if it cannot" },
	{ .name = "hugepages", .type = OPTION_CHOICE, AT(hugepages), .choices = "auto|always|off",
	  .initial = "auto",
	  .help = "auto|always|off  put closed files of a store in memory into 2 MiB pages; auto: within 3/4 of the memory limit" },
	{ .name = "hash", .type = OPTION_CHOICE, AT(hash), .choices = "closed|asked", .initial = "closed",
	  .help = "closed|asked  hash a file's content behind its last close, or only when somebody asks for it" },
	{ .name = "dedup", .type = OPTION_CHOICE, AT(dedup), .choices = "off|execution|owner|mount",
	  .initial = "owner",
	  .help = "off|execution|owner|mount  closed files of one execution, owner or mount with the same content share it" },
	{ .name = "dedup_min", .type = OPTION_SIZE, AT(dedup_min_bytes), .min = DEDUP_MIN_LEAST, .max = INT64_MAX,
	  .initial = "1M", .live = true,
	  .help = "SIZE  smaller files share nothing; 64K at the least" },
	{ .name = "uid", .type = OPTION_ID, AT(uid), .unset = "caller", .initial = "caller",
	  .help = "UID|caller  owner of new files and directories; caller: who makes them" },
	{ .name = "gid", .type = OPTION_ID, AT(gid), .unset = "caller", .initial = "caller",
	  .help = "GID|caller  their group" },
	{ .name = "umask", .type = OPTION_MODE, AT(umask), .max = 0777, .unset = "caller", .initial = "caller",
	  .help = "OCTAL|caller  takes the place of the umask of who makes them" },
	{ .name = "fmask", .type = OPTION_MODE, AT(fmask), .max = 0777, .unset = "umask", .initial = "umask",
	  .help = "OCTAL|umask  the same for files only" },
	{ .name = "dmask", .type = OPTION_MODE, AT(dmask), .max = 0777, .unset = "umask", .initial = "umask",
	  .help = "OCTAL|umask  the same for directories only; those batonfs makes are 0777 less this, without sticky bit" },
	{ .name = "privacy", .type = OPTION_BOOL, AT(privacy), .initial = "off",
	  .help = "on|off  users see and reach their own executions only; fmask and dmask are 077 then if nothing is said" },
	{ .name = "takeover", .type = OPTION_CHOICE, AT(takeover), .choices = "auto|off|on", .initial = "auto",
	  .help = "auto|off|on  a process that dies is replaced by another one, and nobody notices; on: or it is not mounted" },
	{ .name = "watchdog", .type = OPTION_DURATION, AT(watchdog_ns), .min = NS_PER_S, .max = 86400 * NS_PER_S, .unset = "off",
	  .initial = "10s",
	  .help = "TIME|off  a process that answers nobody for so long is killed and replaced; 1s at the least" },
	{ .name = "threads", .type = OPTION_COUNT, AT(threads), .min = 1, .max = 64, .unset = "auto",
	  .initial = "auto",
	  .help = "N|auto  threads that serve requests, at most; auto: twice the CPUs, 4 to 16" },
	{ .name = "suid", .type = OPTION_BOOL, AT(suid), .initial = "off", .help = "on|off  honour set-id bits" },
	{ .name = "dev", .type = OPTION_BOOL, AT(dev), .initial = "off", .help = "on|off  honour device files" },
	{ .name = "exec", .type = OPTION_BOOL, AT(exec), .initial = "off",
	  .help = "on|off  allow to run programs" },
	{ .name = "ro", .type = OPTION_BOOL, AT(readonly), .initial = "off", .help = "on|off  read-only" },
	{ .name = "noatime", .type = OPTION_BOOL, AT(noatime), .initial = "off",
	  .help = "on|off  do not update access times; off: as relatime" },
	{ .name = "strictatime", .type = OPTION_BOOL, AT(strictatime), .initial = "off",
	  .help = "on|off  update access times each time something is read; off: as relatime" },
	{ .name = "sandbox", .type = OPTION_BOOL, AT(sandbox), .initial = "on",
	  .help = "on|off  give up the rights and system calls that serving does not take" },
	{ .name = "metrics", .type = OPTION_ADDRESS, AT(metrics), .max = ADDRESS_TEXT_MAX, .unset = "off",
	  .initial = "off",
	  .help = "ADDRESS:PORT|off  metrics, health and a page over HTTP: 127.0.0.1:9464, [::1]:9464" },
	{ .name = "log", .type = OPTION_CHOICE, AT(log), .choices = "error|warning|notice|info|debug",
	  .initial = "info", .live = true,
	  .help = "error|warning|notice|info|debug  what is written to the log: this and worse" },
	{ .name = "slow", .type = OPTION_DURATION, AT(slow_ns), .max = TTL_MAX_NS, .unset = "off", .initial = "1s",
	  .live = true, .help = "TIME|off  requests that take so long are told of in the log" },
	{ .name = "nosuid", .type = OPTION_FLAG, AT(suid), .min = 0 },
	{ .name = "nodev", .type = OPTION_FLAG, AT(dev), .min = 0 },
	{ .name = "noexec", .type = OPTION_FLAG, AT(exec), .min = 0 },
	{ .name = "rw", .type = OPTION_FLAG, AT(readonly), .min = 0 },
	{ .name = "atime", .type = OPTION_FLAG, AT(noatime), .min = 0 },
	{ .name = "relatime", .type = OPTION_FLAG, AT(noatime), .min = 0 },
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(options) <= CONFIG_OPTIONS_MAX, "see config.h");

const struct option *option_at(size_t i)
{
	return i < ARRAY_SIZE(options) ? &options[i] : NULL;
}

const struct option *option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}

size_t option_index(const struct option *o)
{
	size_t i = 0;

	while (options[i].offset != o->offset)
		i++;
	return i;
}

const char *option_variable(const struct option *o, char *buf, size_t len)
{
	(void)snprintf(buf, len, "BATONFS_%s", o->name);
	for (char *p = buf; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return buf;
}

/* ---- from text ---- */

static int parse_choice(const char *choices, const char *value, int *ret)
{
	size_t len = strlen(value);

	for (int i = 0;; i++) {
		size_t n = strcspn(choices, "|");

		if (n == len && memcmp(choices, value, n) == 0) {
			*ret = i;
			return 0;
		}
		if (!choices[n])
			return -EINVAL;
		choices += n + 1;
	}
}

static int parse_time(const struct option *o, const char *value, int64_t *ret)
{
	int64_t ns;
	int r;

	if (strcmp(value, "never") == 0) {
		*ret = INT64_MAX;
		return 0;
	}
	r = parse_duration(value, &ns);
	if (r < 0)
		return r;
	if (ns <= 0 || ns < (int64_t)o->min || ns > (int64_t)o->max)
		return -ERANGE;
	*ret = MAX_OF(ns / NS_PER_MS, INT64_C(1)) * NS_PER_MS; /* what can be written back */
	return 0;
}

static int parse_id(const char *value, uint32_t *ret)
{
	uint64_t n;
	int r = parse_u64(value, &n);

	if (r == 0 && n >= UINT32_MAX)
		r = -ERANGE;
	if (r == 0)
		*ret = (uint32_t)n;
	return r;
}

static int parse_bits(const struct option *o, const char *value, uint32_t *ret)
{
	uint32_t mode;
	int r = parse_mode(value, &mode);

	if (r == 0 && mode > o->max)
		r = -ERANGE;
	if (r == 0)
		*ret = mode;
	return r;
}

static int parse_amount(const struct option *o, const char *value, uint64_t *ret)
{
	uint64_t n;
	int r = o->type == OPTION_SIZE ? parse_size(value, &n) : parse_u64(value, &n);

	if (r == 0 && (n < o->min || n > o->max))
		r = -ERANGE;
	if (r == 0)
		*ret = n;
	return r;
}

/* An empty one would not be written back. */
static int parse_text(const struct option *o, const char *value, char *ret)
{
	size_t n = strlen(value);

	if (n == 0)
		return -EINVAL;
	if (n >= o->max)
		return -ERANGE;
	memcpy(ret, value, n + 1);
	return 0;
}

static int parse_address(const struct option *o, const char *value, char *ret)
{
	struct address a;
	int r = address_parse(value, &a);

	return r < 0 ? r : parse_text(o, value, ret);
}

static int parse_value(const struct option *o, const char *value, void *field)
{
	switch (o->type) {
	case OPTION_DURATION:
		return parse_time(o, value, field);
	case OPTION_BOOL:
		return parse_bool(value, field);
	case OPTION_CHOICE:
		return parse_choice(o->choices, value, field);
	case OPTION_COUNT:
	case OPTION_SIZE:
		return parse_amount(o, value, field);
	case OPTION_ID:
		return parse_id(value, field);
	case OPTION_MODE:
		return parse_bits(o, value, field);
	case OPTION_MARK:
		return room_parse_mark(value, field);
	case OPTION_TEXT:
		return parse_text(o, value, field);
	case OPTION_ADDRESS:
		return parse_address(o, value, field);
	case OPTION_FLAG:
		break; /* takes none */
	}
	return -EINVAL;
}

static void unset(const struct option *o, void *field)
{
	switch (o->type) {
	case OPTION_ID:
	case OPTION_MODE:
		*(uint32_t *)field = UINT32_MAX;
		break;
	case OPTION_MARK:
		*(struct room_mark *)field = (struct room_mark){ 0 };
		break;
	case OPTION_ADDRESS:
	case OPTION_TEXT:
		*(char *)field = '\0';
		break;
	default:
		*(uint64_t *)field = 0;
		break;
	}
}

int option_parse(const struct option *o, const char *value, struct config *c)
{
	void *field = (char *)c + o->offset;

	if (!value && o->type == OPTION_FLAG) {
		*(bool *)field = o->min != 0;
		return 0;
	}
	if (!value && o->type == OPTION_BOOL)
		value = "on";
	if (!value)
		return -EINVAL;
	if (o->unset && strcmp(value, o->unset) == 0) {
		unset(o, field);
		return 0;
	}
	return parse_value(o, value, field);
}

void option_defaults(struct config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int r = options[i].initial ? option_parse(&options[i], options[i].initial, c) : 0;

		assert(r == 0);
		(void)r;
	}
}

/* ---- to text ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

/* In the largest unit that leaves no rest. */
static void format_exact(uint64_t n, const struct unit *units, char *buf, size_t len)
{
	while (n % units->factor != 0 || (n == 0 && units->factor > 1))
		units++;
	(void)snprintf(buf, len, "%" PRIu64 "%s", n / units->factor, units->name);
}

static void format_bytes(uint64_t n, char *buf, size_t len)
{
	static const struct unit units[] = {
		{ "T", UINT64_C(1) << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 },
		{ "K", 1 << 10 },	    { "", 1 },
	};

	format_exact(n, units, buf, len);
}

/* parse_time() lets nothing smaller than milliseconds in. */
static void format_time(int64_t ns, char *buf, size_t len)
{
	static const struct unit units[] = {
		{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	};

	if (ns == INT64_MAX)
		(void)snprintf(buf, len, "never");
	else
		format_exact((uint64_t)(ns / NS_PER_MS), units, buf, len);
}

static void format_mark(const struct room_mark *m, char *buf, size_t len)
{
	if (m->percent > 0)
		(void)snprintf(buf, len, "%.6g%%", m->percent);
	else if (m->free_bytes > 0)
		format_bytes(m->free_bytes, buf, len);
	else
		(void)snprintf(buf, len, "never");
}

static void format_choice(const char *choices, int which, char *buf, size_t len)
{
	for (; which > 0; which--)
		choices += strcspn(choices, "|") + 1;
	(void)snprintf(buf, len, "%.*s", (int)strcspn(choices, "|"), choices);
}

static bool is_unset(const struct option *o, const void *field)
{
	if (!o->unset)
		return false;
	switch (o->type) {
	case OPTION_ID:
	case OPTION_MODE:
		return *(const uint32_t *)field == UINT32_MAX;
	case OPTION_MARK:
		return !room_mark_is_set(field);
	case OPTION_ADDRESS:
	case OPTION_TEXT:
		return *(const char *)field == '\0';
	default:
		return *(const uint64_t *)field == 0;
	}
}

const char *option_format(const struct option *o, const struct config *c, char *buf, size_t len)
{
	const void *field = (const char *)c + o->offset;

	if (is_unset(o, field)) {
		(void)snprintf(buf, len, "%s", o->unset);
		return buf;
	}
	switch (o->type) {
	case OPTION_DURATION:
		format_time(*(const int64_t *)field, buf, len);
		break;
	case OPTION_BOOL:
	case OPTION_FLAG:
		(void)snprintf(buf, len, "%s", *(const bool *)field ? "on" : "off");
		break;
	case OPTION_CHOICE:
		format_choice(o->choices, *(const int *)field, buf, len);
		break;
	case OPTION_COUNT:
		(void)snprintf(buf, len, "%" PRIu64, *(const uint64_t *)field);
		break;
	case OPTION_SIZE:
		format_bytes(*(const uint64_t *)field, buf, len);
		break;
	case OPTION_ID:
		(void)snprintf(buf, len, "%" PRIu32, *(const uint32_t *)field);
		break;
	case OPTION_MODE:
		(void)snprintf(buf, len, "%03" PRIo32, *(const uint32_t *)field);
		break;
	case OPTION_MARK:
		format_mark(field, buf, len);
		break;
	case OPTION_TEXT:
	case OPTION_ADDRESS:
		(void)snprintf(buf, len, "%s", (const char *)field);
		break;
	}
	return buf;
}
