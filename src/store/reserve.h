/* SPDX-License-Identifier: MIT */
/*
 * STORE/reserve: space that is kept so that a store which is full can be opened and closed, for which the ledger
 * needs some. It is given up for that, and taken again behind it, if there is room.
 *
 * Not for a store that is batonfs's own memory: that one is never opened full.
 */
#ifndef STORE_RESERVE_H
#define STORE_RESERVE_H

#include "store/store.h"

/* At most. Source: the ledger's log is emptied from 4 MiB on. Of a small store it is the 64th part. */
#define RESERVE_BYTES (UINT64_C(4) << 20)

void reserve_take(const struct store *st);
void reserve_release(const struct store *st);

#endif
