/* SPDX-License-Identifier: MIT */
/*
 * Getting a large directory out of the way of who looks up its name, when its execution is released. Once the kernel asks
 * for the name and hears that it is another's, it drops all that it keeps below the old one, in the time of whoever asked:
 * 1.5 to 3 us for each file. But a directory has one place. When it is found at a second one, the kernel moves
 * it there, whole and at once (d_splice_alias), and the name is free. So a thread of ours looks up a name in .baton that
 * nobody can guess, and hears that it is that directory; there it is forgotten in peace.
 */
#ifndef FUSE_ASIDE_H
#define FUSE_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

struct fs;
struct fuse_entry_param;

/*
 * Do so with a directory of the root, by its node id, in the notifier's thread before anything that is queued later. If it
 * cannot be done (without passthrough there is no such thread; or somebody is making something in the root) all goes on as
 * without it.
 */
void aside_move(struct fs *fs, uint64_t nodeid);

/* Whether `name` in .baton is that name. Then *ret is the answer, and the lookup is counted. */
bool aside_lookup(struct fs *fs, const char *name, struct fuse_entry_param *ret);

#endif
