/* SPDX-License-Identifier: MIT */
/*
 * How far a file may grow: what the limits of its execution (exec/limit.h) mean for the operations. All of it is a
 * no-op, and costs a comparison, on a mount without limits.
 *
 * In passthrough the kernel writes unseen. So an execution's bytes are looked at when a file of it is opened for
 * writing, and after it was closed; and what the kernel asks the daemon for anyway is checked exactly. With
 * limit=strict files that are open for writing are served by the daemon, and everything is.
 *
 * The kernel holds the inode's lock (its own) around everything that changes a size, so of one file one such change
 * is under way at a time.
 */
#ifndef FUSE_GROWTH_H
#define FUSE_GROWTH_H

#include "fuse/node.h"
#include "fuse/target.h"

/* Whether files open for writing must be served by the daemon. */
static inline bool growth_is_watched(const struct fs *fs)
{
	return fs->config.watched;
}

/* A file is about to be opened for writing. 0, -EDQUOT. */
int growth_open(struct fs *fs, struct execution *e) WARN_UNUSED;

/*
 * A regular file of this name is about to be created: it is charged, which target_created() knows, or growth_not_created() undoes.
 * 0, -EDQUOT.
 */
int growth_create(struct fs *fs, struct target *t, const char *name) WARN_UNUSED;
void growth_not_created(struct target *t);

/* A change under way. */
struct growth {
	uint64_t before; /* the size */
	uint64_t taken;	 /* from the execution, for `taken` bytes more; or GROWTH_FREE */
};

/* It had no limit when the change began, whatever it has got since. */
#define GROWTH_FREE UINT64_MAX

/*
 * The file's content is about to reach up to `end` at least: takes what is missing. Comes before the content is brought
 * home or shared (content.h), and before the inode's lock is taken. 0; -EDQUOT, unless `some` is set: then it takes
 * what there is, and growth_fits() says what can be done with it; -ESTALE, -errno as content_learn_locked().
 * growth_end() follows with where the content ends then.
 */
int growth_begin(struct fs *fs, struct inode *inode, uint64_t end, bool some, struct growth *ret)
	WARN_UNUSED;
void growth_end(struct fs *fs, struct inode *inode, const struct growth *g, uint64_t end);

/*
 * node_account_size() of a size that may be charged already, and that the ledger has not heard of: after growth_end()
 * of what happens once and not for each write; and at a writer's close.
 */
void growth_account(struct fs *fs, struct inode *inode, uint64_t size_bytes);
void growth_closed(struct fs *fs, struct inode *inode, uint64_t size_bytes);

/* The word of a close may be on its way: wait a little. False: that was long enough, `round` being counted from 0. */
bool growth_wait(int round);

/* The end of `len` bytes from `offset` on, cut to what growth_begin() has got. */
static inline uint64_t growth_fits(const struct growth *g, uint64_t offset, uint64_t len)
{
	uint64_t most = g->before + g->taken;

	return MAX_OF(most, offset + len) == most ? len : most > offset ? most - offset : 0;
}

/*
 * Names move, or are added, to another execution, which will account for them: taken beforehand, until that has
 * happened or it is clear that it will not.
 */
struct growth_take {
	struct execution *exec; /* borrowed; NULL: nothing was taken */
	uint64_t files;
	uint64_t bytes;
};

/* 0, -EDQUOT. */
int growth_take(struct fs *fs, struct execution *e, uint64_t files, uint64_t bytes,
		struct growth_take *ret) WARN_UNUSED;
void growth_taken(struct growth_take *take);

#endif
