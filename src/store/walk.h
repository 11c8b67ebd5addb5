/* SPDX-License-Identifier: MIT */
/*
 * Walk the files below a directory of the store, however deep, with a handful of descriptors. Entries
 * that appear or vanish meanwhile may or may not be seen.
 */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include <sys/stat.h>

#include "store/handle.h"

struct walk_entry {
	const char *name; /* in its directory; valid during the call */
	int dirfd;	  /* that directory; valid during the call */
	const struct stat *st;
	const struct handle *handle;
	uint64_t tag; /* of the directory: what `each` returned for it, else the start's tag */
};

/*
 * Call `each` for every entry below `h`, directories before what is in them. `each` returns 0 to go on or
 * a negative value that ends the walk and is returned; for a directory it may set *ret_tag (preset to the
 * entry's tag), which its entries then carry.
 */
int walk(int mount_fd, const struct handle *h, uint64_t tag,
	 int (*each)(void *arg, const struct walk_entry *e, uint64_t *ret_tag), void *arg)
	WARN_UNUSED;

/* The same for what stands in `h` itself, not for what is below that. `each` gets tag 0, and *ret_tag does not count. */
int walk_names(int mount_fd, const struct handle *h,
	       int (*each)(void *arg, const struct walk_entry *e, uint64_t *ret_tag), void *arg)
	WARN_UNUSED;

#endif
