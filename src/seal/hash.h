/* SPDX-License-Identifier: MIT */
/*
 * The hash of a file's content: XXH3-128, as `xxhsum -H2` prints it.
 */
#ifndef SEAL_HASH_H
#define SEAL_HASH_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

#define HASH_SIZE 16

/* The hash as hexadecimal digits, with a NUL. */
#define HASH_TEXT_SIZE (2 * HASH_SIZE + 1)

/* Read between two looks at whether to go on. Source: some 30 us. */
#define HASH_PIECE (UINT64_C(256) << 10)

/* Asked between two pieces; false: give up. May sleep. */
typedef bool hash_may_fn(void *ctx);

/*
 * Hash what is behind fd from the beginning to the end. *ret_bytes: how much that was. 0, -ECANCELED (may() said no),
 * -ENOMEM, -errno of reading.
 */
int hash_fd(int fd, hash_may_fn *may, void *ctx, uint8_t ret[HASH_SIZE], uint64_t *ret_bytes)
	WARN_UNUSED;

void hash_text(const uint8_t hash[HASH_SIZE], char ret[HASH_TEXT_SIZE]);

#endif
