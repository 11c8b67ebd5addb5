/* SPDX-License-Identifier: MIT */
/*
 * A reference: the JSON object that travels instead of a file's bytes (`baton ref`), and whether the file still is what
 * it says.
 */
#ifndef TOOLS_REFERENCE_H
#define TOOLS_REFERENCE_H

#include <jansson.h>
#include <sys/types.h>

#include "baton.h"

/* From an argument, or from standard input if that is "-". Or what is wrong has been printed, in `command`'s name. */
enum baton_exit reference_parse(const char *command, const char *arg, json_t **ret);

/*
 * The file is there, on a batonfs, of that size, with that hash if there is one. Else it has been printed: BATON_FAILED, it is
 * not so; BATON_UNKNOWN, it could not be found out.
 */
enum baton_exit reference_check(const char *command, const json_t *ref);

/* As getxattr(2) of user.baton.xxh3, which waits for it; a terminal sees that it does. */
ssize_t reference_ask_hash(const char *path, char *hash, size_t len);

/* Borrowed from the reference; the hash may be NULL. */
const char *reference_path(const json_t *ref);
const char *reference_hash(const json_t *ref);

#endif
