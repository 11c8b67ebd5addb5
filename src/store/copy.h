/* SPDX-License-Identifier: MIT */
/*
 * The content of one file into another of the same filesystem: by reflink where that works, else in pieces that are
 * large enough for a tmpfs to give huge pages, holes staying holes. Times and other attributes are the caller's
 * business.
 */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

/* Written at once, between two looks at whether to go on. Source: 16 MiB are some milliseconds; 8 huge pages. */
#define COPY_PIECE (UINT64_C(16) << 20)

/* Asked before each piece; false: give up. */
typedef bool copy_may_fn(void *ctx);

/*
 * Copy `bytes` from the beginning of `from` to `to`, which has that size already and no blocks where `from` has
 * holes. The source must not be cut meanwhile. may: NULL for always. 0, -ECANCELED, -ENOSPC, -EIO, -errno; then
 * `to` has part of it. With a reflink nothing is copied and it takes no space.
 */
int copy_content(int from, int to, uint64_t bytes, copy_may_fn *may, void *ctx) WARN_UNUSED;

/* 1 if both have the same `bytes` from the beginning, 0 if not, -ECANCELED, -errno. */
int copy_compare(int a, int b, uint64_t bytes, copy_may_fn *may, void *ctx) WARN_UNUSED;

#endif
