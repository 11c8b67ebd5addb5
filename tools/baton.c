/* SPDX-License-Identifier: MIT */
/*
 * The command-line client: options, the command table, dispatch and help. All commands share the same
 * options, which may stand before or behind the command's name. The client knows only what the mount
 * shows (baton/interface.h): no socket, no state of its own.
 */
#include "baton.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "baton/interface.h"
#include "command.h"
#include "progress.h"
#include "say.h"
#include "util/macro.h"

static const struct command commands[] = {
	{ "ls", "", "list the executions, the most recently active first",
	  "Columns: ID, OWNER (the user and program that made it), FILES, BYTES, AGE since it was\n"
	  "made, IDLE since it was last used, EXPIRES IN, PINNED.\n",
	  0, 0, cmd_ls },
	{ "stat", "ID", "show all that is known of one living execution", "", 1, 1, cmd_stat },
	{ "ref", "PATH", "print a file's JSON reference, to be sent instead of its bytes",
	  "One line under 1 KB: path, size, execution, ino, mtime, and xxh3, the hash of the content,\n"
	  "unless it is open for writing. PATH must be a regular file on a batonfs; -m and BATON_MOUNT\n"
	  "play no part.\n",
	  1, 1, cmd_ref },
	{ "verify", "REFERENCE|-", "check that a reference names the file it was made of",
	  "REFERENCE is what `baton ref` prints; - reads it from standard input. The file must be there,\n"
	  "of the size and with the hash of the content that the reference says. Exits 1 if it is not so,\n"
	  "3 if that could not be found out: the daemon is gone, or the file is open for writing.\n",
	  1, 1, cmd_verify },
	{ "put", "ID PATH|- [NAME]", "copy a file into an execution, and print its reference",
	  "- reads standard input, and needs a NAME. The file appears when it is complete.\n", 2, 3,
	  cmd_put },
	{ "get", "REFERENCE|- [PATH]",
	  "copy the file that a reference names to standard output or PATH",
	  "Fails, and leaves PATH as it was, if the file is not what the reference says.\n", 1, 2,
	  cmd_get },
	{ "ttl", "ID [DURATION|never|default]", "show or set an execution's time-to-live",
	  "DURATION is a number with a unit: 90s, 30m, 2h, 1h30m, 7d; a bare number is seconds. It\n"
	  "counts from the last activity. `default` goes back to the mount's.\n",
	  1, 2, cmd_ttl },
	{ "pin", "ID...", "keep executions from expiring", "", 1, INT_MAX, cmd_pin },
	{ "unpin", "ID...", "let executions expire again", "", 1, INT_MAX, cmd_pin },
	{ "release", "ID...", "give executions up: their files are gone at once",
	  "Processes that have a file open or mapped go on reading it. Only the owner and root may.\n",
	  1, INT_MAX, cmd_release },
	{ "export", "ID", "write an execution as a tar archive",
	  "With its holes, attributes, times, owners and links, its time-to-live and whether it is pinned.\n"
	  "A file that changes meanwhile is an error.\n",
	  1, 1, cmd_export },
	{ "import", "[ID]", "make an execution out of such an archive",
	  "As it was called, or as ID. All of it, or nothing after a failure. An archive that is compressed\n"
	  "(gzip, bzip2, xz, zstd) is understood; names that lead out of the execution are refused.\n",
	  0, 1, cmd_import },
	{ "why", "ID", "say when and why an execution expires or was released", "", 1, 1, cmd_why },
	{ "top", "", "watch the executions, and pin or release some",
	  "Keys: arrows choose an execution, p pins or unpins it, r releases it (and asks first), / filters,\n"
	  "s sorts by the next column, R turns the order round, ? shows all keys, q ends. Where standard\n"
	  "output is no terminal, --batch or --json is needed.\n",
	  0, 0, cmd_top },
	{ "status", "", "show the state of the mount", "", 0, 0, cmd_status },
	{ "config", "[OPTION|OPTION=VALUE]...", "show the options of the mount, or change some",
	  "Shows each with its value and where it was said. VALUE is as for `batonfs -o`; only some can\n"
	  "be changed while mounted, by root, all or none of those that are given. It lasts until the\n"
	  "mount ends: what is to stay belongs into the configuration file.\n",
	  0, INT_MAX, cmd_config },
	{ "upgrade", "", "have the batonfs that is installed now take over the mount",
	  "Whoever uses the mount waits for a moment and sees nothing of it. It takes a mount whose process\n"
	  "can be replaced (`baton status`, Takeover) and a batonfs that can go on with what this one\n"
	  "leaves; else nothing happens, and it says why. Options stay as they are. For root.\n"
	  "`systemctl reload` of the unit does the same.\n",
	  0, 0, cmd_upgrade },
	{ "gc", "[--now]", "show what is shared, and what could be freed",
	  "Files of the same content share it once. Content that no file has any more is removed within\n"
	  "seconds by itself; --now does it at once. For root.\n",
	  0, 0, cmd_gc },
	{ "fsck", "[--repair]", "check that shared contents, files and the ledger agree",
	  "Only looks, unless told to repair. Exits 1 if problems are left. For root.\n", 0, 0,
	  cmd_fsck },
	{ "doctor", "[STORE]", "check what kernel, machine and mount can do",
	  "Works before the first mount. STORE is a directory meant to be a store (default /var/lib).\n"
	  "Exits 1 only if batonfs cannot work at all.\n",
	  0, 1, cmd_doctor },
};

static const struct command_option options[] = {
	{ "mount", 'm', "DIR", "where batonfs is mounted (default: $BATON_MOUNT, or the only one)",
	  NULL },
	{ "json", 'j', NULL, "print JSON", NULL },
	{ "help", 'h', NULL, "show this, or the help of a command", NULL },
	{ "version", 'V', NULL, "print the version", NULL },
	{ "now", 0, NULL, "remove what no file has any more at once", "gc" },
	{ "repair", 0, NULL, "repair what can be", "fsck" },
	{ "batch", 'b', NULL, "print tables, for pipes and files", "top" },
	{ "count", 'n', "NUMBER", "end after so many of them", "top" },
	{ "delay", 'd', "TIME", "look so often (default: 1s)", "top" },
	{ "output", 'o', "FILE", "where to (default: standard output)", "export" },
	{ "input", 'i', "FILE", "where from (default: standard input)", "import" },
	{ "force", 0, NULL, "release an execution of that ID first", "import" },
	{ "merge", 0, NULL, "add to an execution of that ID", "import" },
	{ "sort", 's', "COLUMN", "bytes (default), files, open, active, left, or id", "top" },
};

/* --completion is for who builds packages. */
#define COMPLETION 'C'

const struct command *command_at(size_t i)
{
	return i < ARRAY_SIZE(commands) ? &commands[i] : NULL;
}

const struct command_option *command_option_at(size_t i)
{
	return i < ARRAY_SIZE(options) ? &options[i] : NULL;
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Those of a command, NULL: of all. */
static void print_options(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct command_option *o = &options[i];
		char letter[8] = "";
		char usage[48];

		if (command ? !o->command || strcmp(o->command, command) != 0 : o->command != NULL)
			continue;
		if (o->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		(void)snprintf(usage, sizeof(usage), "%s--%s %s", letter, o->name,
			       o->value ? o->value : "");
		(void)printf("  %-20s %s\n", usage, o->help);
	}
}

static bool has_options(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].command && strcmp(options[i].command, command) == 0)
			return true;
	}
	return false;
}

static enum baton_exit help_all(void)
{
	(void)printf("Usage: baton [-m DIR] [--json] COMMAND [ARGUMENT...]\n"
		     "Look after the executions of a batonfs mount.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char usage[64];

		(void)snprintf(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].args);
		(void)printf("  %-33s %s\n", usage, commands[i].summary);
	}
	(void)printf("  %-33s %s\n", "help [COMMAND]", "show this, or the help of a command");
	(void)printf("\nOptions:\n");
	print_options(NULL);
	(void)printf(
		"\nExits 0 on success, 1 on failure, 2 on wrong usage, 3 see verify. Manual: man baton\n");
	return BATON_OK;
}

static enum baton_exit help_command(const struct command *c)
{
	(void)printf("Usage: baton %s%s%s [-m DIR] [--json]\n%c%s.\n", c->name, *c->args ? " " : "",
		     c->args, toupper((unsigned char)c->summary[0]), c->summary + 1);
	if (*c->details)
		(void)printf("\n%s", c->details);
	if (has_options(c->name)) {
		(void)printf("\nOptions:\n");
		print_options(c->name);
	}
	return BATON_OK;
}

static enum baton_exit unknown_command(const char *name)
{
	say_error("%s: no such command: see `baton --help`", name);
	return BATON_USAGE;
}

static enum baton_exit help(const char *name)
{
	const struct command *c;

	if (!name || strcmp(name, "help") == 0)
		return help_all();
	c = command_find(name);
	return c ? help_command(c) : unknown_command(name);
}

const char *invocation_option(const struct invocation *inv, const char *name)
{
	for (size_t i = inv->noptions; i > 0; i--) {
		if (strcmp(inv->options[i - 1].name, name) == 0)
			return inv->options[i - 1].value;
	}
	return NULL;
}

/* The options that were given are the command's. */
static bool options_ok(const struct invocation *inv, const char *name)
{
	for (size_t i = 0; i < inv->noptions; i++) {
		const char *given = inv->options[i].name;
		bool ok = false;

		for (size_t k = 0; k < ARRAY_SIZE(options); k++)
			ok |= strcmp(options[k].name, given) == 0 && options[k].command &&
			      strcmp(options[k].command, name) == 0;
		if (ok)
			continue;
		say_error("%s: option --%s: unknown: see `baton help %s`", name, given, name);
		return false;
	}
	return true;
}

static enum baton_exit dispatch(struct invocation *inv, const char *name)
{
	const struct command *c = command_find(name);

	if (!c)
		return unknown_command(name);
	if (inv->argc < c->min_args || inv->argc > c->max_args) {
		say_error("%s: %s: usage is `baton %s%s%s`", name,
			  inv->argc < c->min_args ? "argument missing" : "too many arguments", name,
			  *c->args ? " " : "", c->args);
		return BATON_USAGE;
	}
	if (!options_ok(inv, name))
		return BATON_USAGE;
	inv->name = c->name;
	if (inv->json)
		progress_forbid();
	return c->run(inv);
}

/* getopt_long(3) has just returned '?' or ':'. */
static enum baton_exit bad_option(int c, char **argv)
{
	if (c == ':')
		say_error("option %s needs an argument: see `baton --help`", argv[optind - 1]);
	else if (optopt && strncmp(argv[optind - 1], "--", 2) != 0)
		say_error("option -%c: unknown: see `baton --help`", optopt);
	else
		say_error("option %s: unknown, or takes no argument: see `baton --help`",
			  argv[optind - 1]);
	return BATON_USAGE;
}

/* All options for getopt_long(3), which gives 256 and the index in the table for those that have no letter. */
struct getopt_tables {
	char letters[2 + 2 * ARRAY_SIZE(options) + 1];
	struct option names[ARRAY_SIZE(options) + 2];
};

#define NO_LETTER 256

static void fill_getopt(struct getopt_tables *t)
{
	char *at = stpcpy(t->letters, ":");
	size_t n = 0;

	for (; n < ARRAY_SIZE(options); n++) {
		const struct command_option *o = &options[n];

		t->names[n] = (struct option){
			.name = o->name,
			.has_arg = o->value ? required_argument : no_argument,
			.val = o->letter ? o->letter : NO_LETTER + (int)n,
		};
		if (o->letter)
			*at++ = o->letter;
		if (o->letter && o->value)
			*at++ = ':';
	}
	*at = '\0';
	t->names[n++] = (struct option){ "completion", required_argument, NULL, COMPLETION };
	t->names[n] = (struct option){ NULL, 0, NULL, 0 };
}

/* What getopt_long(3) has returned is an option of a command's own. False: of none, or there are too many. */
static bool note_option(struct invocation *inv, int c)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct command_option *o = &options[i];

		if (!o->command || c != (o->letter ? o->letter : NO_LETTER + (int)i))
			continue;
		if (inv->noptions == INVOCATION_OPTIONS_MAX)
			return false;
		inv->options[inv->noptions++] =
			(struct invocation_option){ o->name, o->value ? optarg : "" };
		return true;
	}
	return false;
}

static enum baton_exit run(int argc, char **argv)
{
	struct invocation inv = { 0 };
	struct getopt_tables tables;
	bool want_help = false;
	const char *name;
	int c;

	fill_getopt(&tables);
	while ((c = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		switch (c) {
		case 'm':
			inv.mount_arg = optarg;
			break;
		case 'j':
			inv.json = true;
			break;
		case 'h':
			want_help = true;
			break;
		case 'V':
			(void)printf("baton %s\n", BATON_VERSION);
			return BATON_OK;
		case COMPLETION:
			return completion_print(optarg);
		default:
			if (!note_option(&inv, c))
				return bad_option(c, argv);
			break;
		}
	}

	name = optind < argc ? argv[optind++] : NULL;
	inv.argc = argc - optind;
	inv.argv = argv + optind;
	if (want_help)
		return help(name);
	if (!name) {
		say_error("no command: see `baton --help`");
		return BATON_USAGE;
	}
	if (strcmp(name, "help") == 0)
		return help(inv.argc > 0 ? inv.argv[0] : NULL);
	return dispatch(&inv, name);
}

int main(int argc, char **argv)
{
	enum baton_exit code;

	(void)setlocale(LC_ALL, ""); /* without the locale, messages are English anyway */
	opterr = 0;
	code = run(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		say_error("standard output: %s", strerror(errno));
		return BATON_FAILED;
	}
	return (int)code;
}
