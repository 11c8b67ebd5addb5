/* SPDX-License-Identifier: MIT */
/*
 * The hashes of closed files: made by a thread of idle policy some time after the last close, and by others, like any
 * other thread, when somebody asks: one for large files, so that nobody waits behind them for a small one.
 *
 * A hash counts as long as the front says "sealed" (upcalls.h), which ends with the next open for writing. That is
 * why a hash is only begun when nobody can write, also not by a mapping: F_RDLCK (store/lease.h) tells. What the
 * ledger remembers counts if the file has the same size and times as with its hash, on filesystems that change a
 * file's times with each write through a mapping (not tmpfs), if the ledger was closed in order, and in the same boot:
 * else the machine may have lost power, and a file's new times with it, or have kept those and lost its new content. (To
 * write all of it to disk before the daemon ends would make each end wait for that.) A change within the tick of the
 * clock that was the time of the file is not seen so: such a hash is remembered with times that no file has.
 *
 * Who asks right behind his close may be faster than the news of it, so a file that is open is looked at again for a
 * quarter of a second before that is the answer.
 *
 * Files below SEALER_MIN are hashed only if asked for: that takes less than remembering would. One that is little but
 * holes, more than can be read in some seconds, is not hashed at all.
 */
#ifndef SEAL_SEALER_H
#define SEAL_SEALER_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "seal/upcalls.h"
#include "store/store.h"

#define SEALER_MIN (UINT64_C(64) << 10)

struct sealer_config {
	const struct store *store; /* borrowed, like the next */
	struct ledger *ledger;
	bool after_close; /* not only if somebody asks */
	bool clean;	  /* the ledger was closed in order */
	/* A file was sealed just now, its hash known. In a thread that holds no lock; NULL: nobody wants to know. */
	void (*sealed)(void *ctx, uint64_t ino, const struct handle *h, uint64_t size_bytes);
	void *ctx;
};

struct sealer_counts {
	uint64_t files; /* hashed since the start */
	uint64_t bytes;
	uint64_t dropped; /* not hashed after their close, because too many waited */
};

/* Who waits for a hash. */
struct sealer_asker {
	/* err: 0, -EBUSY (somebody can write to it), -ESTALE, -EFBIG (holes), -EINTR (not wanted), -ECANCELED (at the end), -errno. */
	void (*done)(void *arg, int err, const uint8_t *hash);
	/* Whether he still waits. From any thread, with a lock held, until done() is called. NULL: yes. */
	bool (*wanted)(void *arg);
	void *arg;
};

struct sealer;

int sealer_new(const struct sealer_config *config, struct sealer **ret) WARN_UNUSED;
void sealer_set_upcalls(struct sealer *s, const struct seal_upcalls *up);
/* Its threads; until then whoever asks waits. -errno. */
int sealer_start(struct sealer *s) WARN_UNUSED;
/* Ends the thread that hashes behind a close: nobody waits for that. Others may still call, without effect. */
void sealer_end_closed(struct sealer *s);
/* Ends the others, too; whoever waits is told. Others may still call, without effect. */
void sealer_end(struct sealer *s);
void sealer_free(struct sealer *s);

/* Its last writer has closed it. */
void sealer_closed(struct sealer *s, uint64_t ino, const struct handle *h, uint64_t size_bytes);

/*
 * done() is called once, in another thread, with no lock held. -EAGAIN: too many ask, -ECANCELED: at the end; then
 * it is not called.
 */
int sealer_ask(struct sealer *s, uint64_t ino, const struct handle *h,
	       const struct sealer_asker *asker) WARN_UNUSED;

/*
 * How far the hashing of a file is: bytes read so far. False: it is not being hashed just now, perhaps not yet.
 */
bool sealer_hashed(struct sealer *s, uint64_t ino, uint64_t *ret_bytes);

void sealer_count(struct sealer *s, struct sealer_counts *ret);

#endif
