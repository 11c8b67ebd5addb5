/* SPDX-License-Identifier: MIT */
/*
 * The command line.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/parse.h"

/* Longest ttl but "never": a hundred years, so that sums of times cannot overflow. */
#define TTL_MAX_NS (INT64_C(100) * 365 * 86400 * 1000000000)

enum option_type {
	OPTION_DURATION, /* int64_t, nanoseconds; "never" is INT64_MAX */
	OPTION_BOOL,	 /* bool; the bare name means on */
	OPTION_CHOICE,	 /* int: the position in `choices` */
	OPTION_COUNT,	 /* uint64_t within min and max */
	OPTION_SIZE,	 /* uint64_t, bytes, within min and max; K, M, G, T */
	OPTION_ID,	 /* uint32_t */
	OPTION_MODE,	 /* uint32_t, octal */
	OPTION_MARK,	 /* struct room_mark */
	OPTION_FLAG,	 /* bool set to `min`; takes no value */
};

struct option {
	const char *name;
	enum option_type type;
	size_t offset;
	uint64_t min;
	uint64_t max;
	const char *choices; /* OPTION_CHOICE: "auto|off|on" */
	const char *help;    /* NULL: not shown */
};

#define AT(field) offsetof(struct config, field)

static const struct option options[] = {
	{ "ttl", OPTION_DURATION, AT(ttl_ns), 0, 0, NULL,
	  "TIME  an execution goes when nothing was done in it for so long: 90s, 30m, 2h, 7d, never [1h]" },
	{ "high", OPTION_MARK, AT(marks.high), 0, 0, NULL,
	  "PERCENT%|SIZE|never  executions idle longest go early when the store is fuller, or has less free [never]" },
	{ "low", OPTION_MARK, AT(marks.low), 0, 0, NULL,
	  "PERCENT%|SIZE  ... until it is no fuller than this, or has so much free [5/6 of high, or twice its SIZE]" },
	{ "exec_bytes", OPTION_SIZE, AT(exec_bytes), 1, INT64_MAX, NULL,
	  "SIZE  what the files of an execution may have together, by their sizes [no limit]" },
	{ "exec_files", OPTION_COUNT, AT(exec_files), 1, INT64_MAX, NULL,
	  "N  how many regular files an execution may have [no limit]" },
	{ "limit", OPTION_CHOICE, AT(limit), 0, 0, "open|strict",
	  "open|strict  exec_bytes is looked at when a file is opened for writing; or exact, but writes go through the daemon [open]" },
	{ "autodir", OPTION_BOOL, AT(autodir), 0, 0, NULL,
	  "on|off  directories named like n8n's execution IDs exist before they are made [on]" },
	{ "passthrough", OPTION_CHOICE, AT(passthrough), 0, 0, "auto|off|on",
	  "auto|off|on  let the kernel read and write without the daemon; on: fail if it cannot [auto]" },
	{ "hugepages", OPTION_CHOICE, AT(hugepages), 0, 0, "auto|always|off",
	  "auto|always|off  put closed files of a store in memory into 2 MiB pages; auto: within 3/4 of the memory limit [auto]" },
	{ "hash", OPTION_CHOICE, AT(hash), 0, 0, "closed|asked",
	  "closed|asked  hash a file's content behind its last close, or only when somebody asks for it [closed]" },
	{ "dedup", OPTION_CHOICE, AT(dedup), 0, 0, "off|execution|owner|mount",
	  "off|execution|owner|mount  closed files of one execution, owner or mount with the same content share it [owner]" },
	{ "dedup_min", OPTION_SIZE, AT(dedup_min_bytes), DEDUP_MIN_LEAST, INT64_MAX, NULL,
	  "SIZE  smaller files share nothing; 64K at the least [1M]" },
	{ "uid", OPTION_ID, AT(uid), 0, 0, NULL,
	  "UID  owner of new files and directories [who makes them]" },
	{ "gid", OPTION_ID, AT(gid), 0, 0, NULL, "GID  their group [who makes them]" },
	{ "umask", OPTION_MODE, AT(umask), 0, 0777, NULL,
	  "OCTAL  takes the place of the umask of who makes them [who makes them]" },
	{ "fmask", OPTION_MODE, AT(fmask), 0, 0777, NULL, "OCTAL  the same for files only" },
	{ "dmask", OPTION_MODE, AT(dmask), 0, 0777, NULL,
	  "OCTAL  the same for directories only; those batonfs makes are 0777 less this, without sticky bit" },
	{ "threads", OPTION_COUNT, AT(threads), 1, 64, NULL,
	  "N  threads that serve requests, at most [twice the CPUs, 4 to 16]" },
	{ "sandbox", OPTION_BOOL, AT(sandbox), 0, 0, NULL,
	  "on|off  give up the rights and system calls that serving does not take [on]" },
	{ "suid", OPTION_BOOL, AT(suid), 0, 0, NULL, "on|off  honour set-id bits [off]" },
	{ "dev", OPTION_BOOL, AT(dev), 0, 0, NULL, "on|off  honour device files [off]" },
	{ "exec", OPTION_BOOL, AT(exec), 0, 0, NULL, "on|off  allow to run programs [off]" },
	{ "ro", OPTION_FLAG, AT(readonly), 1, 0, NULL, "read-only [rw]" },
	{ "noatime", OPTION_FLAG, AT(noatime), 1, 0, NULL,
	  "do not update access times [relatime]" },
	{ "nosuid", OPTION_FLAG, AT(suid), 0, 0, NULL, NULL },
	{ "nodev", OPTION_FLAG, AT(dev), 0, 0, NULL, NULL },
	{ "noexec", OPTION_FLAG, AT(exec), 0, 0, NULL, NULL },
	{ "rw", OPTION_FLAG, AT(readonly), 0, 0, NULL, NULL },
	{ "atime", OPTION_FLAG, AT(noatime), 0, 0, NULL, NULL },
	{ "relatime", OPTION_FLAG, AT(noatime), 0, 0, NULL, NULL },
};

/* Options for mount(8), systemd and fstab readers, which reach a helper all the same; "x-..." too. */
static const char *const ignored[] = {
	"defaults", "auto",	  "noauto", "nofail", "_netdev",     "user",
	"users",    "nouser",	  "owner",  "group",  "allow_other", "default_permissions",
	"async",    "nodiratime", "loud",   "silent",
};

PRINTF(2, 3) static int fail(struct config_error *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	}
	return NULL;
}

static bool is_ignored(const char *name)
{
	if (strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0 ||
	    strncmp(name, "comment=", 8) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
		if (strcmp(ignored[i], name) == 0)
			return true;
	}
	return false;
}

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

static int parse_ttl(const char *value, int64_t *ret)
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
	if (ns <= 0 || ns > TTL_MAX_NS)
		return -ERANGE;
	*ret = ns;
	return 0;
}

static int parse_number(const struct option *o, const char *value, void *field)
{
	uint64_t n;
	int r = parse_u64(value, &n);

	if (r < 0)
		return r;
	if (o->type == OPTION_ID) {
		if (n >= UINT32_MAX)
			return -ERANGE;
		*(uint32_t *)field = (uint32_t)n;
		return 0;
	}
	if (n < o->min || n > o->max)
		return -ERANGE;
	*(uint64_t *)field = n;
	return 0;
}

static int parse_bytes(const struct option *o, const char *value, uint64_t *ret)
{
	uint64_t n;
	int r = parse_size(value, &n);

	if (r == 0 && (n < o->min || n > o->max))
		r = -ERANGE;
	if (r == 0)
		*ret = n;
	return r;
}

static int parse_value(const struct option *o, const char *value, void *field)
{
	uint32_t mode;
	int r;

	switch (o->type) {
	case OPTION_DURATION:
		return parse_ttl(value, field);
	case OPTION_BOOL:
		return parse_bool(value, field);
	case OPTION_CHOICE:
		return parse_choice(o->choices, value, field);
	case OPTION_SIZE:
		return parse_bytes(o, value, field);
	case OPTION_COUNT:
	case OPTION_ID:
		return parse_number(o, value, field);
	case OPTION_MODE:
		r = parse_mode(value, &mode);
		if (r == 0 && mode > o->max)
			r = -ERANGE;
		if (r == 0)
			*(uint32_t *)field = mode;
		return r;
	case OPTION_MARK:
		return room_parse_mark(value, field);
	case OPTION_FLAG:
		return -EINVAL; /* takes none */
	}
	return -EINVAL;
}

static int set_option(struct config *c, char *text, struct config_error *error)
{
	char *equals = strchr(text, '=');
	const char *value = equals ? equals + 1 : NULL;
	const struct option *o;
	void *field;
	int r;

	if (is_ignored(text))
		return 0;
	if (equals)
		*equals = '\0';
	o = find(text);
	if (!o && strcmp(text, "remount") == 0)
		return fail(
			error,
			"options of a batonfs that is mounted cannot be changed: unmount it, and "
			"mount it anew; those of the kernel's (ro, noexec, noatime) can: mount -i -o "
			"remount,...");
	if (!o)
		return fail(error, "unknown option '%s'; batonfs --help lists them", text);
	field = (char *)c + o->offset;
	if (!value && o->type == OPTION_FLAG) {
		*(bool *)field = o->min != 0;
		return 0;
	}
	if (!value && o->type == OPTION_BOOL)
		value = "on";
	if (!value || !*value)
		return fail(error, "option '%s' needs a value: %s", o->name, o->help);
	r = parse_value(o, value, field);
	if (r < 0)
		return fail(error, "option '%s=%s' is %s; it is: %s", o->name, value,
			    r == -ERANGE ? "out of range" : "not of the form",
			    o->help ? o->help : "without a value");
	return 0;
}

static int set_options(struct config *c, const char *list, struct config_error *error)
{
	_cleanup_free_ char *copy = strdup(list);
	char *save = NULL;

	if (!copy)
		return fail(error, "out of memory");
	for (char *text = strtok_r(copy, ",", &save); text; text = strtok_r(NULL, ",", &save)) {
		int r = set_option(c, text, error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Called by mount(8), whose -f means to do everything but the mount. */
static bool is_mount_helper(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

/* Our letters, and those of mount(8)'s helper convention: -t type -N namespace -s -n -v are its business. */
static int parse_letter(int argc, char **argv, int *i, struct config *c, struct config_error *error)
{
	const char *arg = argv[*i];
	const char *value = arg[2] ? arg + 2 : NULL;

	switch (arg[1]) {
	case 'o':
	case 't':
	case 'N':
		if (!value && *i + 1 >= argc)
			return fail(error, "-%c needs a value", arg[1]);
		if (!value)
			value = argv[++*i];
		return arg[1] == 'o' ? set_options(c, value, error) : 0;
	case 'f':
		*(is_mount_helper(argv[0]) ? &c->fake : &c->foreground) = true;
		break;
	case 'd':
		c->debug = true;
		c->foreground = true;
		break;
	case 'h':
		c->help = true;
		break;
	case 'V':
		c->version = true;
		break;
	case 's':
	case 'n':
	case 'v':
		break;
	default:
		return fail(error, "unknown option '%s'; batonfs --help lists them", arg);
	}
	if (value)
		return fail(error, "unknown option '%s'; batonfs --help lists them", arg);
	return 0;
}

static int parse_argument(char **argv, int i, struct config *c, struct config_error *error)
{
	if (strcmp(argv[i], "--help") == 0)
		c->help = true;
	else if (strcmp(argv[i], "--version") == 0)
		c->version = true;
	else if (strcmp(argv[i], "--clear") == 0)
		c->clear = true;
	else if (argv[i][0] == '-' && argv[i][1])
		return fail(error, "unknown option '%s'; batonfs --help lists them", argv[i]);
	else if (!c->source && !c->clear)
		c->source = argv[i];
	else if (!c->mountpoint)
		c->mountpoint = argv[i];
	else
		return fail(
			error,
			"unexpected argument '%s'; usage: batonfs [-o OPTIONS] SOURCE MOUNTPOINT",
			argv[i]);
	return 0;
}

int config_parse(int argc, char **argv, struct config *ret, struct config_error *error)
{
	struct config c = {
		.ttl_ns = INT64_C(3600) * 1000000000,
		.dedup = DEDUP_DEFAULT,
		.dedup_min_bytes = UINT64_C(1) << 20,
		.autodir = true,
		.sandbox = true,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.umask = UINT32_MAX,
		.fmask = UINT32_MAX,
		.dmask = UINT32_MAX,
	};
	int r;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			r = parse_letter(argc, argv, &i, &c, error);
		else
			r = parse_argument(argv, i, &c, error);
		if (r < 0)
			return r;
	}
	if (c.fmask == UINT32_MAX)
		c.fmask = c.umask;
	if (c.dmask == UINT32_MAX)
		c.dmask = c.umask;
	if (!room_mark_is_set(&c.marks.low))
		c.marks.low = room_default_low(&c.marks.high);
	else if (!room_mark_is_set(&c.marks.high))
		return fail(error, "option 'low' needs 'high'; see batonfs --help");
	if (!c.help && !c.version && !c.mountpoint)
		return fail(error, "%s missing; usage: batonfs [-o OPTIONS] SOURCE MOUNTPOINT",
			    c.source ? "mountpoint" : "source and mountpoint");
	*ret = c;
	return 0;
}

void config_help(FILE *out)
{
	fputs("Usage: batonfs [-f] [-d] [-o OPTION,...] SOURCE MOUNTPOINT\n"
	      "\n"
	      "Mount a hand-off filesystem: one namespace per execution, gone when its time is over.\n"
	      "\n"
	      "SOURCE      memory, memory:SIZE, memory:PERCENT% or an existing directory\n"
	      "-f          stay in the foreground\n"
	      "-d          log every step, stay in the foreground\n"
	      "--clear     take away what a batonfs that has died, or hangs, left at MOUNTPOINT\n"
	      "-h, -V      this help, the version\n"
	      "\n"
	      "Options:\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].help && options[i].type == OPTION_FLAG)
			fprintf(out, "  %-11s %s\n", options[i].name, options[i].help);
		else if (options[i].help)
			fprintf(out, "  %s=%s\n", options[i].name, options[i].help);
	}
	fputs("\nUnmount with: fusermount3 -u MOUNTPOINT. See batonfs(8), and baton(1) to look inside.\n",
	      out);
}
