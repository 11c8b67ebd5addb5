/* SPDX-License-Identifier: MIT */
/*
 * The table of commands: dispatch, help and completion are made from it.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stddef.h>

#include "baton.h"

struct command {
	const char *name;
	/*
	 * As `help` shows it, and as completion.c reads it: words apart by blanks, [] around what may be missing,
	 * alternatives apart by |, "..." behind what may be repeated. ID, OPTION, PATH and STORE are completed; of
	 * alternatives, those in small letters.
	 */
	const char *args;
	const char *summary;
	const char *details; /* for `help NAME`, lines ending in \n */
	int min_args;
	int max_args;
	enum baton_exit (*run)(const struct invocation *inv);
};

/* The i-th command; NULL: there are no more. */
const struct command *command_at(size_t i);

/* The i-th option: "mount", 'm', its help. NULL: there are no more. */
struct command_option {
	const char *name;
	char letter;	   /* 0: it has none */
	const char *value; /* "DIR", "FILE", ..., or NULL: it takes none */
	const char *help;
	const char *command; /* whose it is; NULL: all commands have it */
};

const struct command_option *command_option_at(size_t i);

/* completion.c: the script that completes `baton` for a shell, "bash", "zsh" or "fish". */
enum baton_exit completion_print(const char *shell);

#endif
