/* SPDX-License-Identifier: MIT */
/*
 * The `baton` program: what main() hands to a command, and the commands. One file per command
 * (cmd_NAME.c); the table in baton.c drives dispatch and help.
 */
#ifndef TOOLS_BATON_H
#define TOOLS_BATON_H

#include <stdbool.h>

/* A command returns one of these; main() exits with it. */
enum baton_exit {
	BATON_OK = 0,
	BATON_FAILED = 1,
	BATON_USAGE = 2,
};

struct invocation {
	const char *name;      /* the command's; borrowed from the table */
	const char *mount_arg; /* of -m, or NULL; borrowed from argv */
	bool json;
	bool act; /* the command's `acts` was given */
	int argc; /* arguments after the command's name: as many as the table allows */
	char **argv;
};

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
enum baton_exit cmd_status(const struct invocation *inv);
enum baton_exit cmd_config(const struct invocation *inv);
enum baton_exit cmd_gc(const struct invocation *inv);
enum baton_exit cmd_fsck(const struct invocation *inv);
enum baton_exit cmd_doctor(const struct invocation *inv);

#endif
