/* SPDX-License-Identifier: MIT */
/*
 * The command line, and what all places where options are said have in common.
 */
#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/option.h"
#include "util/cleanup.h"
#include "util/parse.h"
#include "util/printable.h"

/* Options for mount(8), systemd and fstab readers, which reach a helper all the same; "x-..." too. */
static const char *const ignored[] = {
	"defaults",
	"auto",
	"noauto",
	"nofail",
	"_netdev",
	"user",
	"users",
	"nouser",
	"owner",
	"group",
	"allow_other",
	"default_permissions",
	"async",
	"nodiratime",
	"loud",
	"silent",
	/* What is so in any case, from mount(8) of util-linux 2.40 and later. */
	"nousers",
	"noowner",
	"nogroup",
	"diratime",
	"symfollow",
	"nomand",
	"nolazytime",
	"norelatime",
	"nostrictatime",
};

static const struct config_place command_line = { .from = CONFIG_COMMAND_LINE };

/* ---- errors and origins ---- */

int config_fail(struct config_error *error, const struct config_place *where, const char *fmt, ...)
{
	size_t len = sizeof(error->text);
	va_list args;
	int n = 0;

	if (where->from == CONFIG_FILE)
		n = snprintf(error->text, len, "%s:%u: ", where->name, where->line);
	else if (where->from == CONFIG_ENVIRONMENT)
		n = snprintf(error->text, len, "environment variable %s: ", where->name);
	va_start(args, fmt);
	if (n >= 0 && (size_t)n < len)
		(void)vsnprintf(error->text + n, len - (size_t)n, fmt, args);
	va_end(args);
	(void)printable(error->text); /* it is to be one line, and may be about any bytes */
	return -EINVAL;
}

const char *config_origin_text(const struct config *c, size_t option, char *buf, size_t len)
{
	const struct config_origin *o = &c->origins[option];
	char variable[64];

	switch (o->from) {
	case CONFIG_FILE:
		(void)snprintf(buf, len, "file %s:%u", c->file, o->line);
		break;
	case CONFIG_ENVIRONMENT:
		(void)snprintf(buf, len, "environment %s",
			       option_variable(option_at(option), variable, sizeof(variable)));
		break;
	case CONFIG_COMMAND_LINE:
		(void)snprintf(buf, len, "command line");
		break;
	case CONFIG_CHANGED:
		(void)snprintf(buf, len, "changed at run time");
		break;
	case CONFIG_DEFAULT:
		(void)snprintf(buf, len, "default");
		break;
	}
	return buf;
}

/* ---- one option ---- */

static int bad_value(const struct option *o, const char *value, int r,
		     const struct config_place *where, struct config_error *error)
{
	if (!o->help)
		(void)config_fail(error, where, "option '%s=%s': '%s' takes no value", o->name,
				  value, o->name);
	else if (!value || !*value)
		(void)config_fail(error, where, "option '%s' needs a value: %s", o->name, o->help);
	else
		(void)config_fail(error, where, "option '%s=%s' is %s; it is: %s", o->name, value,
				  r == -ERANGE ? "out of range" : "not of the form", o->help);
	return r == -ERANGE ? -ERANGE : -EINVAL;
}

int config_say(struct config *c, const char *name, const char *value,
	       const struct config_place *where, struct config_error *error)
{
	const struct option *o = option_find(name);
	struct config unused; /* for what has been said with more weight */
	struct config_origin *origin;
	int r;

	if (!o && strcmp(name, "private") == 0) /* it would be lost in fstab, and nobody told */
		return config_fail(
			error, where,
			"option 'private' is mount(8)'s own, which does not pass it on; privacy=on is meant");
	if (!o)
		return config_fail(error, where, "unknown option '%s'; batonfs --help lists them",
				   name);
	origin = &c->origins[option_index(o)];
	r = option_parse(o, value, where->from >= origin->from ? c : &unused);
	if (r < 0)
		return bad_value(o, value, r, where, error);
	if (where->from >= origin->from)
		*origin = (struct config_origin){ .from = where->from, .line = where->line };
	return 0;
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

/* mount(8) says this to its helpers whenever nobody has said "ro": it is no wish, but for who has said that, too. */
static void say_rw(struct config *c)
{
	struct config_origin *origin = &c->origins[option_index(option_find("ro"))];

	if (origin->from != CONFIG_COMMAND_LINE)
		return;
	c->readonly = false;
	origin->from = CONFIG_DEFAULT;
}

/* mount(8)'s own, and nobody's who calls batonfs itself: so that is for us then, and done twice it does no harm. */
static bool is_mkdir(const char *name)
{
	return strcasecmp(name, "x-mount.mkdir") == 0 ||
	       strncasecmp(name, "x-mount.mkdir=", 14) == 0;
}

static int say_mkdir(struct config *c, const char *text, const struct config_place *where,
		     struct config_error *error)
{
	const char *equals = strchr(text, '=');

	c->mkdir = true;
	c->mkdir_mode = 0755;
	if (equals && (parse_mode(equals + 1, &c->mkdir_mode) < 0 || c->mkdir_mode > 07777))
		return config_fail(
			error, where,
			"option '%s' is not of the form; it is: x-mount.mkdir[=MODE], octal", text);
	return 0;
}

static int say_word(struct config *c, char *text, const struct config_place *where,
		    struct config_error *error)
{
	char *equals = strchr(text, '=');

	if (is_mkdir(text))
		return say_mkdir(c, text, where, error);
	if (is_ignored(text))
		return 0;
	if (c->helper && strcmp(text, "rw") == 0) {
		say_rw(c);
		return 0;
	}
	if (strcmp(text, "remount") == 0)
		return config_fail(
			error, where,
			"`baton config` changes options of a batonfs that is mounted; those of the "
			"kernel's are changed by: mount -o remount,bind,... with all that are to "
			"hold, as ro,nosuid,nodev,noexec, since mount(8) may take others away");
	if (equals)
		*equals = '\0';
	return config_say(c, text, equals ? equals + 1 : NULL, where, error);
}

int config_say_list(struct config *c, char *list, const struct config_place *where,
		    struct config_error *error)
{
	char *save = NULL;

	for (char *text = strtok_r(list, ",", &save); text; text = strtok_r(NULL, ",", &save)) {
		int r = say_word(c, text, where, error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the command line ---- */

/* Called by mount(8), whose -f means to do everything but the mount. */
static bool is_mount_helper(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

static int say_argument_list(struct config *c, const char *list, struct config_error *error)
{
	_cleanup_free_ char *copy = strdup(list);

	if (!copy)
		return config_fail(error, &command_line, "out of memory");
	return config_say_list(c, copy, &command_line, error);
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
			return config_fail(error, &command_line, "-%c needs a value", arg[1]);
		if (!value)
			value = argv[++*i];
		return arg[1] == 'o' ? say_argument_list(c, value, error) : 0;
	case 'f':
		*(c->helper ? &c->fake : &c->foreground) = true;
		break;
	case 'd':
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
		value = "";
		break;
	}
	if (value)
		return config_fail(error, &command_line,
				   "unknown option '%s'; batonfs --help lists them", arg);
	return arg[1] == 'd' ? config_say(c, "log", "debug", &command_line, error) : 0;
}

static int parse_file_name(int argc, char **argv, int *i, struct config *c,
			   struct config_error *error)
{
	const char *equals = strchr(argv[*i], '=');
	const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";

	if (!*value)
		return config_fail(error, &command_line, "--config needs a file");
	if (strlen(value) >= sizeof(c->file))
		return config_fail(error, &command_line, "--config: the file's name is too long");
	(void)strcpy(c->file, value);
	return 0;
}

static int parse_source(struct config *c, const char *arg, bool *source, struct config_error *error)
{
	*source = true;
	if (strcmp(arg, "none") == 0)
		return 0;
	return config_say(c, "source", arg, &command_line, error);
}

/* It may be one of those that stand behind -o. */
static int complain_unknown(const char *arg, struct config_error *error)
{
	const char *word = arg + strspn(arg, "-");
	_cleanup_free_ char *name = strndup(word, strcspn(word, "="));

	if (name && option_find(name))
		return config_fail(error, &command_line,
				   "unknown option '%s'; it is written: -o %s", arg, word);
	return config_fail(error, &command_line, "unknown option '%s'; batonfs --help lists them",
			   arg);
}

static int parse_argument(int argc, char **argv, int *i, struct config *c, bool *source,
			  struct config_error *error)
{
	const char *arg = argv[*i];

	if (strcmp(arg, "--help") == 0)
		c->help = true;
	else if (strcmp(arg, "--version") == 0)
		c->version = true;
	else if (strcmp(arg, "--clear") == 0)
		c->clear = true;
	else if (strcmp(arg, "--config") == 0 || strncmp(arg, "--config=", 9) == 0)
		return parse_file_name(argc, argv, i, c, error);
	else if (arg[0] == '-' && arg[1])
		return complain_unknown(arg, error);
	else if (!*source && !c->clear)
		return parse_source(c, arg, source, error);
	else if (!c->mountpoint)
		c->mountpoint = arg;
	else
		return config_fail(
			error, &command_line,
			"unexpected argument '%s'; usage: batonfs [-o OPTIONS] SOURCE MOUNTPOINT",
			arg);
	return 0;
}

int config_parse(int argc, char **argv, struct config *ret, struct config_error *error)
{
	struct config c = { .helper = is_mount_helper(argv[0]) };
	bool source = false;
	int r;

	option_defaults(&c);
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			r = parse_letter(argc, argv, &i, &c, error);
		else
			r = parse_argument(argc, argv, &i, &c, &source, error);
		if (r < 0)
			return -EINVAL;
	}
	if (c.clear && !c.mountpoint)
		return config_fail(error, &command_line,
				   "mountpoint missing; usage: batonfs --clear MOUNTPOINT");
	if (!c.help && !c.version && !c.mountpoint)
		return config_fail(error, &command_line,
				   "%s missing; usage: batonfs [-o OPTIONS] SOURCE MOUNTPOINT",
				   source ? "mountpoint" : "source and mountpoint");
	*ret = c;
	return 0;
}

/* ---- all of it ---- */

struct room_marks config_marks(const struct config *c)
{
	struct room_marks m = c->marks;

	if (!room_mark_is_set(&m.low))
		m.low = room_default_low(&m.high);
	return m;
}

/* Two that do not go together: where this one was said. */
static int fail_option(const struct config *c, const char *name, const char *why,
		       struct config_error *error)
{
	const struct option *o = option_find(name);
	const struct config_origin *origin = &c->origins[option_index(o)];
	struct config_place where = { .from = origin->from, .name = c->file, .line = origin->line };
	char variable[64];

	if (origin->from == CONFIG_ENVIRONMENT)
		where.name = option_variable(o, variable, sizeof(variable));
	return config_fail(error, &where, "%s", why);
}

int config_check(const struct config *c, struct config_error *error)
{
	if (room_mark_is_set(&c->marks.low) && !room_mark_is_set(&c->marks.high))
		return fail_option(c, "low", "option 'low' needs 'high'; give both, or low=auto",
				   error);
	if (c->privacy && c->uid != UINT32_MAX)
		return fail_option(
			c, "privacy",
			"option 'privacy' does not go with 'uid': all would be one user's, whoever makes it",
			error);
	if (c->privacy && c->dedup == DEDUP_MOUNT)
		return fail_option(
			c, "privacy",
			"option 'privacy' does not go with dedup=mount: it would tell that others have the same",
			error);
	return 0;
}

void config_help(FILE *out)
{
	const struct option *o;

	fputs("Usage: batonfs [-f] [-d] [-o OPTION,...] [--config FILE] SOURCE MOUNTPOINT\n"
	      "\n"
	      "Mount a hand-off filesystem: one namespace per execution, gone when its time is over.\n"
	      "\n"
	      "SOURCE      memory, memory:SIZE, memory:PERCENT%, an existing directory, or none: the\n"
	      "            option source says it\n"
	      "-f          stay in the foreground\n"
	      "-d          log every step, stay in the foreground\n"
	      "--config    read FILE instead of " CONFIG_ETC "/NAME.conf, see batonfs(8)\n"
	      "--clear     take away what a batonfs that has died, or hangs, left at MOUNTPOINT\n"
	      "-h, -V      this help, the version\n"
	      "\n"
	      "Options, also as lines `name = value` of the file and as variables BATONFS_NAME; those\n"
	      "with a * can be changed while it is mounted, by `baton config`:\n",
	      out);
	for (size_t i = 0; (o = option_at(i)); i++) {
		if (o->help)
			fprintf(out, "%c %s=%s [%s]\n", o->live ? '*' : ' ', o->name, o->help,
				o->initial);
	}
	fputs("\nUnmount with: umount MOUNTPOINT. See batonfs(8), and baton(1) to look inside.\n",
	      out);
}
