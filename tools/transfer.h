/* SPDX-License-Identifier: MIT */
/*
 * Copying into a file that appears whole or not at all, or to standard output. On a terminal, what takes longer than a
 * second says on stderr how far it is.
 */
#ifndef TOOLS_TRANSFER_H
#define TOOLS_TRANSFER_H

#include <stdint.h>

#include "util/macro.h"

/*
 * All that can be read from `from` to the file `name` of `dirfd`, which it replaces; until it is complete it has another
 * name there, beginning with a dot. 0 or negative errno, then nothing is left. *ret_bytes: how many.
 */
int transfer_to_file(int from, int dirfd, const char *name, uint64_t *ret_bytes) WARN_UNUSED;

/* The same to an open descriptor, which may be a pipe. */
int transfer(int from, int to, uint64_t *ret_bytes) WARN_UNUSED;

#endif
