/* SPDX-License-Identifier: MIT */
/*
 * Ranked mutexes. A thread takes locks in rising rank only; debug builds (no NDEBUG) record what each
 * thread holds and assert the order. The table of ranks is in ARCHITECTURE.md, its numbers are here.
 */
#ifndef UTIL_LOCK_H
#define UTIL_LOCK_H

#include <pthread.h>
#include <stdint.h>

#include "util/cleanup.h"

/* A lock may be taken only while all locks held have a lower rank. */
enum lock_rank {
	LOCK_HTTP = 3,		 /* in the process that answers HTTP */
	LOCK_READERS = 5,	 /* how many threads read requests */
	LOCK_TUNING = 8,	 /* the options that change while mounted */
	LOCK_CONTROL = 10,	 /* control nodes */
	LOCK_SEALED = 15,	 /* the hashes, in the order in which files were sealed */
	LOCK_INODE = 20,	 /* one inode's opens, backing id, handle */
	LOCK_CLAIMS = 25,	 /* files that are being sealed */
	LOCK_MOVES = 26,	 /* files whose content is on its way into a blob, or back */
	LOCK_ITABLE = 30,	 /* nodeid map and every lookup count */
	LOCK_EXEC_TABLE = 40,	 /* executions by id and number */
	LOCK_EXEC = 50,		 /* one execution's names, policy, state */
	LOCK_DIRCACHE = 60,	 /* cached directory descriptors */
	LOCK_BLOBS = 65,	 /* which blobs are pinned or doomed */
	LOCK_TRASH = 70,	 /* the trash worker's wake-up, its upcall */
	LOCK_REFRESH = 74,	 /* files whose attributes are to be refreshed */
	LOCK_SEAL = 75,		 /* closed files on their way to the seal's workers */
	LOCK_NOTIFY = 80,	 /* notifications on their way to the kernel */
	LOCK_ACCESS = 85,	 /* lines of .baton/accesslog, and who reads them */
	LOCK_LEDGER_READ = 90,	 /* the ledger's reading connection */
	LOCK_LEDGER_QUEUE = 100, /* events on their way to the writer thread */
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank; /* constant */
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_done(struct lock *l);
void lock_take(struct lock *l);
void lock_drop(struct lock *l);

/* Wait on `cond` while holding `l`, which stays recorded as held. */
void lock_wait(struct lock *l, pthread_cond_t *cond);

/*
 * The same until CLOCK_MONOTONIC reaches deadline_mono_ns. Returns 0, or -ETIMEDOUT. `cond` must have
 * been made by lock_cond_init().
 */
int lock_wait_until(struct lock *l, pthread_cond_t *cond, int64_t deadline_mono_ns);
void lock_cond_init(pthread_cond_t *cond);

/* Assert that this thread holds no lock at all: before a reply or a notification. */
void lock_assert_none(void);

static inline void lock_dropp(struct lock **l)
{
	if (*l)
		lock_drop(*l);
}

static inline struct lock *lock_taken(struct lock *l)
{
	lock_take(l);
	return l;
}

#define LOCK_SCOPE_2_(l, n)                                                                        \
	_cleanup_(lock_dropp) struct lock *lock_scope_##n __attribute__((unused)) = lock_taken(l)
#define LOCK_SCOPE_1_(l, n) LOCK_SCOPE_2_(l, n)

/* Hold `l` to the end of the enclosing block. */
#define LOCK_SCOPE(l) LOCK_SCOPE_1_(l, __COUNTER__)

#endif
