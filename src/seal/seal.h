/* SPDX-License-Identifier: MIT */
/*
 * Sealing: what is done to a file in the background once its last writer has closed it.
 *
 * The front says which file was closed (seal_closed()) and answers whether it still is (seal_upcalls); the file
 * itself is reached by its handle. Nobody waits for this layer, and nothing depends on it.
 *
 * Huge pages, on a store that is a tmpfs: files that streamed in, of a length nobody knew, are collapsed into 2 MiB
 * pages by a thread of raised priority, so that this is done before the reader has come far, also on a busy
 * machine. It costs 0.25 ms of a CPU for each 2 MiB. The new pages are charged to this process's memory cgroup
 * instead of the writer's; `auto` therefore stops at three quarters of its limit. Disk filesystems: nothing
 * (ARCHITECTURE.md, "Huge pages", has the numbers).
 *
 * Hashes: sealer.h. Sharing: share.h. Moving content to a disk: spill.h.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "seal/check.h"
#include "seal/hash.h"
#include "seal/sealer.h"
#include "seal/share.h"
#include "seal/spill.h"
#include "seal/upcalls.h"
#include "store/store.h"
#include "util/task.h"

enum seal_hugepages {
	SEAL_HUGEPAGES_AUTO,
	SEAL_HUGEPAGES_ALWAYS,
	SEAL_HUGEPAGES_OFF,
};

/* When a file is hashed. */
enum seal_hash {
	SEAL_HASH_CLOSED, /* behind its last close */
	SEAL_HASH_ASKED,  /* not before somebody asks */
};

struct seal_config {
	enum seal_hugepages hugepages;
	enum seal_hash hash;
	bool clean_ledger; /* it was closed in order */
	enum share_scope dedup;
	uint64_t dedup_min_bytes;
	/*
	 * Called by the thread that puts files into huge pages: one call of its lasts for long, also when the process has
	 * been killed, and disturbs nobody then. May be NULL.
	 */
	void (*lasts)(void *arg);
	void *lasts_arg; /* borrowed */
};

/* Since the start. */
struct seal_spill_counts {
	uint64_t
		contents; /* of files, and blobs, that were moved to the directory that is spilled to */
	uint64_t bytes;	  /* of memory that these gave back */
	uint64_t refused; /* times that the directory took nothing: it was full, or failed */
};

struct seal_counts {
	uint64_t collapsed_bytes; /* in huge pages since the start */
	uint64_t dropped;	  /* files not looked at, because too many waited */
	struct sealer_counts hash;
	struct share_counts share;
	struct seal_spill_counts spill;
};

struct seal;

int seal_new(const struct store *store, struct ledger *ledger, const struct seal_config *config,
	     struct seal **ret) WARN_UNUSED;
/* Nothing more is done that nobody waits for: huge pages, hashes behind a close, sharing. Questions are still answered. */
void seal_end_unasked(struct seal *s);
/* No more questions, either: those that wait are answered before this returns. The other calls go on, without effect. */
void seal_end(struct seal *s);
void seal_free(struct seal *s);

/* Before the first seal_closed(). */
void seal_set_upcalls(struct seal *s, const struct seal_upcalls *up);

/*
 * The threads. Until then files and questions wait: who builds a daemon need not wait for threads that nobody else does
 * yet. -errno.
 */
int seal_start(struct seal *s) WARN_UNUSED;

/* The last writer has closed a regular file, which has this size now. Never waits. */
void seal_closed(struct seal *s, uint64_t ino, const struct handle *h, uint64_t size_bytes);

/* Its last opener has closed it. Never waits. */
void seal_idle(struct seal *s, uint64_t ino, const struct handle *h);

/* The hash of a file, when it is known: see sealer_ask(). */
int seal_ask(struct seal *s, uint64_t ino, const struct handle *h, const struct sealer_asker *asker)
	WARN_UNUSED;

/* Another dedup_min_bytes, for what is closed from now on. */
void seal_set_dedup_min(struct seal *s, uint64_t bytes);

void seal_count(struct seal *s, struct seal_counts *ret);

/*
 * Look whether stubs, blobs and the ledger agree, and repair what does not if that is wanted: see check_run(). `files`:
 * about how many there are, for who looks at seal_tasks().
 */
int seal_check(struct seal *s, bool repair, uint64_t files,
	       int (*each)(void *arg, const struct check_problem *p), void *arg,
	       struct check_counts *ret) WARN_UNUSED;

/*
 * Move the content of a file, or a blob, to the directory that is spilled to: see spill_file() and spill_blob(), whose
 * errors these are. The caller sets what to ask before each piece, and how old a file is to be. For one thread at a time.
 */
int seal_spill_file(struct seal *s, const struct spill *how, uint64_t ino, const struct handle *h,
		    struct spill_result *ret) WARN_UNUSED;
int seal_spill_blob(struct seal *s, const struct spill *how, const struct blob_name *name,
		    struct spill_result *ret) WARN_UNUSED;

/* Look at the blobs, and remove those that nobody needs if that is wanted: see garbage_collect(). */
int seal_garbage(struct seal *s, bool remove, struct garbage *ret) WARN_UNUSED;

/* How far these two are, while they are. Valid as long as `s`. */
const struct tasks *seal_tasks(const struct seal *s);

/* How far the hashing of a file is: see sealer_hashed(). */
bool seal_hashed(struct seal *s, uint64_t ino, uint64_t *ret_bytes);

#endif
