/* SPDX-License-Identifier: MIT */
/*
 * An inode as the operations use it: its backing file, its attributes, its execution.
 */
#ifndef FUSE_NODE_H
#define FUSE_NODE_H

#include "fuse/fs.h"

/* The inode of a request; NULL if the kernel has forgotten it: answer -ESTALE. */
static inline struct inode *node_find(struct fs *fs, fuse_ino_t nodeid)
{
	return itable_find(fs->itable, nodeid);
}

/* Its handle. -ENOENT: a directory that is virtual at present. */
int node_handle(struct fs *fs, struct inode *inode, struct handle *ret) WARN_UNUSED;

/* Open the backing file; flags as open(2). A descriptor for the caller, -ENOENT, -ESTALE, -errno. */
int node_open(struct fs *fs, struct inode *inode, int flags) WARN_UNUSED;

/* The same of a regular file, with its lock held. */
int node_open_locked(struct fs *fs, struct inode *inode, int flags) WARN_UNUSED;

/* A descriptor for calls that take O_PATH ones. Cached for directories; give it back with node_put(). */
int node_get(struct fs *fs, struct inode *inode, struct dirref *ret) WARN_UNUSED;
void node_put(struct fs *fs, struct dirref *ref);

/* The attributes as the mount shows them. Virtual directories have some, too. */
int node_stat(struct fs *fs, struct inode *inode, struct stat *ret) WARN_UNUSED;

/* Turn the backing file's attributes into the mount's, and remember what they tell. */
void node_show(struct inode *inode, struct stat *st);

/* How long the kernel may keep these attributes, seconds. `ask`: find out whether a mapping is left. */
double node_attr_seconds(struct fs *fs, struct inode *inode, const struct stat *st, bool ask);

/* Charge the execution with the file's size as it is now; an orphan's is charged apart, see below. */
void node_account_size(struct fs *fs, struct inode *inode, uint64_t size_bytes);

/* The same without a word to the ledger. */
void node_charge_locked(struct inode *inode, uint64_t size_bytes);

/* A nameless file is about to get a name. The caller holds the inode's lock. */
void node_named_locked(struct inode *inode);

/* An orphan, but none that was split off (content.h): the file of that has its name, and is charged. */
static inline bool node_is_nameless(const struct inode *inode)
{
	return (atomic_load(&inode->flags) & (INODE_ORPHAN | INODE_SPLIT)) == INODE_ORPHAN;
}

/* What one counts for (exec/limit.h): nothing once nobody has it open. The caller holds the inode's lock. */
static inline int64_t node_nameless_bytes_locked(const struct inode *inode)
{
	return node_is_nameless(inode) && inode->nopen > 0 ? (int64_t)inode->size_accounted : 0;
}

/* The row of a regular file in the ledger: new, or its execution changed. */
void node_record(struct fs *fs, struct inode *inode, struct execution *e, uint64_t size_bytes,
		 int64_t ttl_ns);

/* The ttl set on the file behind fd (O_PATH will do) itself, or LEDGER_TTL_DEFAULT. */
int64_t node_own_ttl(struct fs *fs, int fd);

/* A file with a lifetime of its own was used: write it down, once a second at most. */
void node_touch(struct fs *fs, struct inode *inode);

/*
 * Its content is about to change: what was learned of it does not hold any more, nor what is just being learned
 * (sealing.c). The caller holds the inode's lock and has counted itself in nopen_write or nwriting.
 */
void node_unseal_locked(struct fs *fs, struct inode *inode);

/*
 * The same around a change by the daemon itself. A stub becomes an ordinary file first, with its content if that is
 * wanted (home_own_locked()); after an error nothing was begun; -ESTALE: look it up again. _end: true if nobody
 * else can write to it.
 */
int node_write_begin(struct fs *fs, struct inode *inode, bool wanted) WARN_UNUSED;
bool node_write_end(struct fs *fs, struct inode *inode);

/* Whether nobody can write to it at present, by an open or by a mapping. */
bool node_is_final(struct fs *fs, struct inode *inode);

/*
 * Its last name is gone. *fd (O_PATH, or -1) keeps it reachable until it is forgotten, and its blob if it is a stub. It is
 * taken, and is -1 then; or not needed: the caller closes it, which frees the number, once the ledger has been told. st: its
 * attributes, or NULL if it cannot be a stub. Returns whether that was not known yet.
 */
bool node_orphan(struct fs *fs, struct inode *inode, int *fd, const struct stat *st);

/* itable_evict_fn: ctx is the fs. */
void node_evict(void *ctx, struct inode *inode);

#endif
