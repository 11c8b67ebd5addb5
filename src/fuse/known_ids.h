/* SPDX-License-Identifier: MIT */
/*
 * Names of IDs that the kernel knows: directories of executions that are not there (virtual), and what .baton has
 * for each ID (executions/ID with the files in it, why/ID). It would keep each that was ever looked up until memory
 * is short, and so would we: an inode and an execution, or some control nodes, of which there is a limited number,
 * for each ID of months. So only the last ones stay known, and what is in use; an older one is asked for again.
 *
 * All are called without locks, from any thread.
 */
#ifndef FUSE_KNOWN_IDS_H
#define FUSE_KNOWN_IDS_H

#include <stdint.h>

#include "fuse/inode.h"

struct fs;

/* Stay known. Source: several times what a busy n8n has at a time, a few hundred executions; 2 to 3 MiB of ours. */
#define KNOWN_IDS_MAX 2048

/* Remembered: those, and as many that may be in use. */
#define KNOWN_IDS_RING (2 * KNOWN_IDS_MAX)

/*
 * The kernel is about to know this virtual directory, or knows it; nothing happens if that was said before. The
 * oldest ones' names leave the kernel's cache, unless they are in use, or real by then: here, or by the notifier.
 */
void known_ids_add(struct fs *fs, struct inode *inode);
/* The same of a node of .baton, once when it is new. */
void known_ids_add_control(struct fs *fs, uint64_t nodeid);

/* Its directory is virtual again; the kernel remembers what was removed from it as missing. */
void known_ids_vanished(struct fs *fs, struct inode *inode);

/* A name was not found in a directory, and the kernel is about to remember that. */
static inline void known_ids_asked(struct inode *dir)
{
	if ((atomic_load(&dir->flags) & (INODE_AUTO | INODE_ASKED)) == INODE_AUTO)
		atomic_fetch_or(&dir->flags, INODE_ASKED);
}

/* In the place of a process that has died, before anything is served: the kernel knows it. `arg`: struct fs. */
void known_ids_adopt(struct fs *fs, struct inode *inode);
void known_ids_adopt_control(void *arg, uint64_t nodeid);

#endif
