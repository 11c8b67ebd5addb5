/* SPDX-License-Identifier: MIT */
/*
 * Names of IDs that the kernel knows: directories of executions that are not there (virtual), and what .baton has for each ID
 * (executions/ID with the files in it, why/ID). It would keep each that was ever looked up until memory is short, and so
 * would we: an inode and an execution, or some control nodes, of which there is a limited number, for each ID of months. So only
 * the last ones stay known; an older one is asked for again when it is used.
 */
#ifndef FUSE_KNOWN_IDS_H
#define FUSE_KNOWN_IDS_H

#include <stdint.h>

struct fs;

/* Stay known. Source: several times what a busy n8n has at a time, a few hundred executions; 2 to 3 MiB of ours. */
#define KNOWN_IDS_MAX 2048

/*
 * The kernel is about to know this one: it was just looked up and is new, or its directory has vanished. The oldest one's
 * name leaves the kernel's cache, if it is no real directory by then; the notifier does that. Called without locks.
 */
void known_ids_add(struct fs *fs, uint64_t nodeid);

/* In the place of a process that has died, before anything is served: `arg`, struct fs, knows it, and it may be one. */
void known_ids_adopt(void *arg, uint64_t nodeid);

#endif
