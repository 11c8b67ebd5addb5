/* SPDX-License-Identifier: MIT */
/*
 * Whether a store is where it was last used. The ledger knows files by their inode numbers; in a copy, made file by file
 * (cp -a, rsync, a backup brought back), each has another one, which may be that of another file before.
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>

#include "store/store.h"

/* Whether the store says that its tree and its ledger were these when it was last closed in order. */
bool place_is_same(const struct store *st);

/* It is closed in order: from now on it does. */
void place_note(const struct store *st);

#endif
