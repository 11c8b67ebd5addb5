/* SPDX-License-Identifier: MIT */
/*
 * What a mount keeps its files in: the store, the directory that is spilled to, and the ledger; opened as the
 * configuration says, or refused, and it was said why.
 */
#ifndef STORAGE_H
#define STORAGE_H

#include "daemon.h"
#include "util/macro.h"

/* The store, and before it the directory that is spilled to. 0 or -errno. */
int storage_open(struct daemon *d) WARN_UNUSED;

/* What is in the store: the trash and the ledger. 0 or -errno. */
int storage_open_ledger(struct daemon *d) WARN_UNUSED;

#endif
