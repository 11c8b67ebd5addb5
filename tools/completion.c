/* SPDX-License-Identifier: MIT */
/*
 * Completion for bash, zsh and fish, written from the table of commands when batonfs is built. The scripts know names,
 * options and what stands at which place; execution IDs they ask `baton ls` for, and the mount's options `baton config`.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "say.h"
#include "util/macro.h"

/* What stands at one place of a command. */
struct place {
	enum { PLACE_WORDS, PLACE_ID, PLACE_OPTION, PLACE_PATH, PLACE_STORE } kind;
	bool repeated;
	char words[64]; /* PLACE_WORDS: apart by blanks, perhaps none */
};

static void add_word(struct place *p, const char *word, size_t len)
{
	size_t used = strlen(p->words);

	if (len == 0 || isupper((unsigned char)word[0]) || word[0] == '-' ||
	    used + len + 2 > sizeof(p->words))
		return;
	if (used > 0)
		p->words[used++] = ' ';
	memcpy(p->words + used, word, len);
	p->words[used + len] = '\0';
}

/* The place at *args, which moves behind it; false: there is none. */
static bool next_place(const char **args, struct place *ret)
{
	const char *at = *args + strspn(*args, " ");
	size_t len = strcspn(at, " ");

	*args = at + len;
	*ret = (struct place){ .kind = PLACE_WORDS };
	if (len == 0)
		return false;
	if (len > 3 && strncmp(at + len - 3, "...", 3) == 0) {
		ret->repeated = true;
		len -= 3;
	}
	if (at[0] == '[') {
		at++;
		len -= 2;
	}
	if (strcspn(at, " |].") == 2 && strncmp(at, "ID", 2) == 0)
		ret->kind = PLACE_ID;
	else if (strcspn(at, " |].") == 6 && strncmp(at, "OPTION", 6) == 0)
		ret->kind = PLACE_OPTION;
	else if (strcspn(at, " |].") == 4 && strncmp(at, "PATH", 4) == 0)
		ret->kind = PLACE_PATH;
	else if (strcspn(at, " |].") == 5 && strncmp(at, "STORE", 5) == 0)
		ret->kind = PLACE_STORE;
	for (const char *end = at + len; ret->kind == PLACE_WORDS && at < end;) {
		size_t n = MIN_OF(strcspn(at, "|"), (size_t)(end - at));

		add_word(ret, at, n);
		at += n + 1;
	}
	return true;
}

/* Within '...': `quote` is what stands for one in there. */
static void print_text(const char *text, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			(void)fputs(quote, stdout);
		else
			(void)putchar(*text);
	}
}

static void print_names(void)
{
	for (size_t i = 0; command_at(i); i++)
		(void)printf("%s ", command_at(i)->name);
	(void)printf("help");
}

/* "name:0) ACTION ;;" for each place of each command; an ACTION for each kind, with %s for words. */
static void print_places(const char *const actions[])
{
	struct place p;

	for (size_t i = 0; command_at(i); i++) {
		const char *args = command_at(i)->args;

		for (int n = 0; next_place(&args, &p); n++) {
			if (p.kind == PLACE_WORDS && !p.words[0])
				continue;
			if (p.repeated)
				(void)printf("\t%s:*) ", command_at(i)->name);
			else
				(void)printf("\t%s:%d) ", command_at(i)->name, n);
			(void)printf("%s%s%s ;;\n", actions[p.kind],
				     p.kind == PLACE_WORDS ? p.words : "",
				     p.kind == PLACE_WORDS ? "'" : "");
		}
	}
	(void)printf("\thelp:0) %s", actions[PLACE_WORDS]);
	print_names();
	(void)printf("' ;;\n");
}

/* ---- bash ---- */

/* Those of a command, NULL: of all; with blanks between. */
static size_t print_option_words(const char *command)
{
	const struct command_option *o;
	size_t n = 0;

	for (size_t i = 0; (o = command_option_at(i)); i++) {
		if (command ? !o->command || strcmp(o->command, command) != 0 : o->command != NULL)
			continue;
		if (o->letter)
			(void)printf("%s-%c", n++ ? " " : "", o->letter);
		(void)printf("%s--%s", n++ ? " " : "", o->name);
	}
	return n;
}

static bool has_options(const char *command)
{
	const struct command_option *o;

	for (size_t i = 0; (o = command_option_at(i)); i++) {
		if (o->command && strcmp(o->command, command) == 0)
			return true;
	}
	return false;
}

static void print_bash_options(const char *command)
{
	if (!has_options(command))
		return;
	(void)printf("\t%s) own='", command);
	(void)print_option_words(command);
	(void)printf("' ;;\n");
}

static void print_bash(void)
{
	static const char *const actions[] = {
		[PLACE_WORDS] = "words='",
		[PLACE_ID] = "list=ls",
		[PLACE_OPTION] = "list=config",
		[PLACE_PATH] =
			"compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")",
		[PLACE_STORE] =
			"compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")",
	};

	(void)printf(
		"# Completion of baton(1) for bash; made by `baton --completion bash`.\n"
		"_baton()\n{\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		"\tlocal command='' words='' own='' list='' mount=() n=0 i name\n\n"
		"\tCOMPREPLY=()\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n"
		"\t\t-m | --mount) mount=(-m \"${COMP_WORDS[++i]}\") ;;\n"
		"\t\t-?*) ;;\n"
		"\t\t*) if [ \"$command\" ]; then ((n++)); else command=${COMP_WORDS[i]}; fi ;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tcase $prev in\n"
		"\t-m | --mount)\n"
		"\t\tcompopt -o filenames\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
		"\t\treturn\n"
		"\t\t;;\n"
		"\tesac\n"
		"\tcase $command:$n in\n"
		"\t:*) words='");
	print_names();
	(void)printf("' ;;\n");
	print_places(actions);
	(void)printf("\tesac\n"
		     "\tcase $command in\n");
	for (size_t i = 0; command_at(i); i++)
		print_bash_options(command_at(i)->name);
	(void)printf("\tesac\n"
		     "\tif [ \"$list\" ]; then\n"
		     "\t\twhile read -r name _; do\n"
		     "\t\t\twords+=\" $name\"\n"
		     "\t\tdone < <(baton $list \"${mount[@]}\" 2>/dev/null | tail -n +2)\n"
		     "\tfi\n"
		     "\t[[ $cur == -?* ]] && words+=' ");
	(void)print_option_words(NULL);
	(void)printf(
		"'\" $own\"\n"
		"\t[ \"$words$list${COMPREPLY[*]}\" ] || words=$own\n"
		"\t[ \"$words\" ] && mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
		"}\n"
		"complete -F _baton baton\n");
}

/* ---- zsh ---- */

#define ZSH_QUOTE "'\\''"

static const char *zsh_action(const char *value)
{
	return strcmp(value, "DIR") == 0    ? ":directory:_directories"
	       : strcmp(value, "FILE") == 0 ? ":file:_files"
					    : ":value:";
}

static void print_zsh_options(void)
{
	const struct command_option *o;

	for (size_t i = 0; (o = command_option_at(i)); i++) {
		const char *action = !o->value ? "" : zsh_action(o->value);

		if (!o->letter)
			(void)printf("\t\t'--%s%s[%s]%s' \\\n", o->name, o->value ? "=" : "",
				     o->help, action);
		else if (o->value)
			(void)printf("\t\t'(-%c --%s)'{-%c+,--%s=}'[%s]%s' \\\n", o->letter,
				     o->name, o->letter, o->name, o->help, action);
		else
			(void)printf("\t\t'(-%c --%s)'{-%c,--%s}'[%s]' \\\n", o->letter, o->name,
				     o->letter, o->name, o->help);
	}
}

static void print_zsh(void)
{
	static const char *const actions[] = {
		[PLACE_WORDS] = "choice='",
		[PLACE_ID] = "_baton_names ls",
		[PLACE_OPTION] = "_baton_names config",
		[PLACE_PATH] = "_files",
		[PLACE_STORE] = "_directories",
	};

	(void)printf("#compdef baton\n"
		     "# Completion of baton(1) for zsh; made by `baton --completion zsh`.\n\n"
		     "_baton_names()\n{\n"
		     "\tlocal -a names mount\n"
		     "\tlocal dir=${opt_args[-m]:-${opt_args[--mount]}}\n\n"
		     "\t[[ -n $dir ]] && mount=(-m $dir)\n"
		     "\tnames=(${${${(f)\"$(baton $1 $mount 2>/dev/null)\"}[2,-1]}%%%% *})\n"
		     "\tcompadd -a names\n"
		     "}\n\n"
		     "_baton()\n{\n"
		     "\tlocal context state state_descr line choice\n"
		     "\tlocal -A opt_args\n"
		     "\tlocal -a commands=(\n");
	for (size_t i = 0; command_at(i); i++) {
		(void)printf("\t\t'%s:", command_at(i)->name);
		print_text(command_at(i)->summary, ZSH_QUOTE);
		(void)printf("'\n");
	}
	(void)printf("\t\t'help:show the help of a command'\n\t)\n\n\t_arguments -C -S \\\n");
	print_zsh_options();
	(void)printf("\t\t'1:command:->command' '*:argument:->argument' && return\n"
		     "\tif [[ $state == command ]]; then\n"
		     "\t\t_describe command commands\n"
		     "\t\treturn\n"
		     "\tfi\n"
		     "\tcase ${line[1]}:$((${#line} - 2)) in\n");
	print_places(actions);
	(void)printf("\tesac\n"
		     "\t[[ -n $choice ]] && compadd -- ${=choice}\n"
		     "}\n\n"
		     "_baton \"$@\"\n");
}

/* ---- fish ---- */

#define FISH_QUOTE "\\'"

static void print_fish_place(const struct command *c, const struct place *p)
{
	static const char *const arguments[] = {
		[PLACE_ID] = "-a '(__baton_names ls)'",
		[PLACE_OPTION] = "-a '(__baton_names config)'",
		[PLACE_PATH] = "-F",
		[PLACE_STORE] = "-a '(__fish_complete_directories)'",
	};

	(void)printf("complete -c baton -n '__fish_seen_subcommand_from %s' ", c->name);
	if (p->kind == PLACE_WORDS)
		(void)printf("-a '%s'\n", p->words);
	else
		(void)printf("%s\n", arguments[p->kind]);
}

static void print_fish_option(const struct command_option *o)
{
	(void)printf("complete -c baton");
	if (o->command)
		(void)printf(" -n '__fish_seen_subcommand_from %s'", o->command);
	if (o->letter)
		(void)printf(" -s %c", o->letter);
	(void)printf(" -l %s", o->name);
	if (o->value && strcmp(o->value, "DIR") == 0)
		(void)printf(" -x -a '(__fish_complete_directories)'");
	else if (o->value)
		(void)printf(strcmp(o->value, "FILE") == 0 ? " -r -F" : " -x");
	(void)printf(" -d '%s'\n", o->help);
}

static void print_fish(void)
{
	const struct command_option *o;
	struct place p;

	(void)printf("# Completion of baton(1) for fish; made by `baton --completion fish`.\n"
		     "function __baton_names\n"
		     "\tbaton $argv[1] 2>/dev/null | tail -n +2 | string replace -r ' .*' ''\n"
		     "end\n"
		     "complete -c baton -f\n");
	for (size_t i = 0; (o = command_option_at(i)); i++)
		print_fish_option(o);
	for (size_t i = 0; command_at(i); i++) {
		const char *args = command_at(i)->args;

		(void)printf("complete -c baton -n __fish_use_subcommand -a %s -d '",
			     command_at(i)->name);
		print_text(command_at(i)->summary, FISH_QUOTE);
		(void)printf("'\n");
		while (next_place(&args, &p)) {
			if (p.kind != PLACE_WORDS || p.words[0])
				print_fish_place(command_at(i), &p);
		}
	}
	(void)printf(
		"complete -c baton -n __fish_use_subcommand -a help -d 'show the help of a command'\n"
		"complete -c baton -n '__fish_seen_subcommand_from help' -a '");
	print_names();
	(void)printf("'\n");
}

enum baton_exit completion_print(const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].print();
			return BATON_OK;
		}
	}
	say_error("option --completion: %s: there is one for bash, zsh and fish", shell);
	return BATON_USAGE;
}
