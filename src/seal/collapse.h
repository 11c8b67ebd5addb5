/* SPDX-License-Identifier: MIT */
/*
 * Huge pages for a file of a tmpfs that was written in small pieces: the kernel copies each 2 MiB of it into one
 * page (MADV_COLLAPSE). Contents, times and holes stay as they are; who has the file mapped gets the large page
 * with the next fault; who writes meanwhile waits for a page at most.
 */
#ifndef SEAL_COLLAPSE_H
#define SEAL_COLLAPSE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

/* A huge page. Source: x86-64 and arm64 with 4 KiB pages; others are refused by the kernel or gain less. */
#define COLLAPSE_PAGE (UINT64_C(2) << 20)

/*
 * Done at once, between two looks at whether it may go on. Source: each call drains the per-CPU lists of pages on
 * all CPUs, some 1 ms on a busy machine; and a reader that comes meanwhile waits for the copying of each page that
 * it meets (0.25 ms), so 2 ms at the most.
 */
#define COLLAPSE_PIECE (UINT64_C(16) << 20)

/* Asked before each piece of so many bytes; false: leave the rest as it is. */
typedef bool collapse_may_fn(void *ctx, uint64_t bytes);

/*
 * Collapse what is whole of the file behind fd (open for reading, best with O_NOATIME): each aligned 2 MiB that
 * has no hole and does not reach beyond the end. *ret_bytes: how much was done (or was in huge pages already), also
 * if it fails. 0, -ECANCELED (may() said no), -ENOMEM (no huge page to be had), -EBUSY (over the memory
 * limit), -EAGAIN (a page was in use; the others are done), -EINVAL (not on this filesystem or
 * kernel), -errno. Blocks for as long as copying takes.
 */
int collapse_fd(int fd, collapse_may_fn *may, void *ctx, uint64_t *ret_bytes) WARN_UNUSED;

#endif
