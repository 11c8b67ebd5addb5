/* SPDX-License-Identifier: MIT */
/*
 * The `baton` program: what main() hands to a command, and the commands. One file per command
 * (cmd_NAME.c); the table in baton.c drives dispatch and help.
 */
#ifndef TOOLS_BATON_H
#define TOOLS_BATON_H

#include <stdbool.h>
#include <stddef.h>

/* A command returns one of these; main() exits with it. */
enum baton_exit {
	BATON_OK = 0,
	BATON_FAILED = 1,
	BATON_USAGE = 2,
	BATON_UNKNOWN = 3, /* a reference could not be checked */
};

/* More than any command has. */
#define INVOCATION_OPTIONS_MAX 8

/* An option of the command's own that was given. Borrowed from the table and from argv. */
struct invocation_option {
	const char *name;
	const char *value; /* "" if it takes none */
};

struct invocation {
	const char *name;      /* the command's; borrowed from the table */
	const char *mount_arg; /* of -m, or NULL; borrowed from argv */
	bool json;
	struct invocation_option options[INVOCATION_OPTIONS_MAX];
	size_t noptions;
	int argc; /* arguments after the command's name: as many as the table allows */
	char **argv;
};

/* The value of an option, the last one if there are several; "" if it takes none; NULL: it was not given. */
const char *invocation_option(const struct invocation *inv, const char *name);

/* Each prints its result on stdout, or one line on stderr for what failed. */
enum baton_exit cmd_ls(const struct invocation *inv);
enum baton_exit cmd_stat(const struct invocation *inv);
enum baton_exit cmd_ref(const struct invocation *inv);
enum baton_exit cmd_verify(const struct invocation *inv);
enum baton_exit cmd_put(const struct invocation *inv);
enum baton_exit cmd_get(const struct invocation *inv);
enum baton_exit cmd_ttl(const struct invocation *inv);
enum baton_exit cmd_pin(const struct invocation *inv); /* and unpin: by inv->name */
enum baton_exit cmd_release(const struct invocation *inv);
enum baton_exit cmd_why(const struct invocation *inv);
enum baton_exit cmd_top(const struct invocation *inv);
enum baton_exit cmd_export(const struct invocation *inv);
enum baton_exit cmd_import(const struct invocation *inv);
enum baton_exit cmd_status(const struct invocation *inv);
enum baton_exit cmd_config(const struct invocation *inv);
enum baton_exit cmd_upgrade(const struct invocation *inv);
enum baton_exit cmd_gc(const struct invocation *inv);
enum baton_exit cmd_fsck(const struct invocation *inv);
enum baton_exit cmd_doctor(const struct invocation *inv);

#endif
