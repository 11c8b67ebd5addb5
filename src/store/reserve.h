/* SPDX-License-Identifier: MIT */
/*
 * STORE/reserve: space that is kept so that a store which is full can be opened, for which the ledger needs some. It is
 * given up for that, and as much as there is of it is taken again before anybody else can write. Not given up when the
 * store is closed: what the ledger had no room for before may be more than all of it, and the next start needs it.
 *
 * Not for a store that is batonfs's own memory: that one is never opened full.
 */
#ifndef STORE_RESERVE_H
#define STORE_RESERVE_H

#include "store/store.h"

/* At most. Source: the ledger's log is emptied from 4 MiB on. Of a small store it is the 64th part. */
#define RESERVE_BYTES (UINT64_C(4) << 20)

/* Less than this is no reserve. Source: a new ledger takes 100 KiB. */
#define RESERVE_BYTES_MIN (UINT64_C(128) << 10)

void reserve_take(const struct store *st);
void reserve_release(const struct store *st);

#endif
