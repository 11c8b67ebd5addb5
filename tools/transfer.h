/* SPDX-License-Identifier: MIT */
/*
 * Copying into a file, or to standard output. On a terminal, what takes longer than a second says on stderr how far it is.
 */
#ifndef TOOLS_TRANSFER_H
#define TOOLS_TRANSFER_H

#include <stdint.h>

#include "part.h"
#include "util/macro.h"

/* All that can be read from `from` to `to`, which may be a pipe. 0 or negative errno. *ret_bytes: how many. */
int transfer(int from, int to, uint64_t *ret_bytes) WARN_UNUSED;

/* The same, to all there is of `to`. */
int transfer_to_part(int from, const struct part *to, uint64_t *ret_bytes) WARN_UNUSED;

#endif
