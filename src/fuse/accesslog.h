/* SPDX-License-Identifier: MIT */
/*
 * .baton/accesslog: lines for those who read it, from their open on. Knows lines and readers, nothing of FUSE: what
 * a line tells is access.c's. All readers share one ring of lines; a reader that is too slow finds the oldest gone,
 * and is told how many. While nobody reads, accesslog_is_read() is one relaxed load, and there is no ring.
 *
 * A reader has a number of the caller's, and is told of all if it is root or who mounted, else only of what was done
 * under its own uid. Nobody is told of what the thread does that reads: a line about each read of a line would never
 * end. Thread-safe; its lock (rank LOCK_ACCESS) is held in these functions only.
 */
#ifndef FUSE_ACCESSLOG_H
#define FUSE_ACCESSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

/* Longest line, bytes, with its newline; a longer one is cut. Source: a path of a few names, four times over. */
#define ACCESSLOG_LINE_MAX 1000

/* Lines that the ring holds. Source: what four clients do in a tenth of a second; 4 MiB. */
#define ACCESSLOG_LINES 4096

/* Readers at a time; those that are not told of all may be half of them. Source: nobody needs more. */
#define ACCESSLOG_READERS_MAX 32

/* Most that one read gives, bytes. */
#define ACCESSLOG_READ_MAX ((size_t)64 << 10)

struct accesslog;

/* 0 or -ENOMEM. */
int accesslog_new(struct accesslog **ret) WARN_UNUSED;

/* Starts the thread that answers readers; until then they wait. 0 or -errno. */
int accesslog_start(struct accesslog *l) WARN_UNUSED;
void accesslog_free(struct accesslog *l);
static inline void accesslog_freep(struct accesslog **l)
{
	accesslog_free(*l);
}

/* Whether lines are wanted. */
bool accesslog_is_read(const struct accesslog *l);

/* A line, without its newline: `uid` did what it says, in the thread `tid` (0: not known). */
void accesslog_add(struct accesslog *l, uid_t uid, pid_t tid, const char *line);

/* Who reads. */
struct accesslog_who {
	int number; /* not 0; the reader's, as long as it is not closed */
	uid_t uid;  /* who opened it */
	pid_t tid;  /* of who reads now */
};

/* 0, -ENOMEM, -EMFILE (ACCESSLOG_READERS_MAX). */
int accesslog_open(struct accesslog *l, const struct accesslog_who *who) WARN_UNUSED;
void accesslog_close(struct accesslog *l, int number);

/* A read that waits for lines; the caller's until `done` is called, which is its end. */
struct accesslog_waiter {
	/* err: a negative errno, or 0 and `len` bytes; none: the log has ended. From any thread, without locks. */
	void (*done)(struct accesslog_waiter *w, int err, const char *bytes, size_t len);
	/* accesslog.c's */
	struct accesslog_waiter *next;
	size_t size;
	int number;
	bool interrupted;
};

/*
 * What there is for a reader, up to `size` bytes in buf: how many. 0: the log has ended. -EAGAIN: nothing, and w is NULL.
 * -EINPROGRESS: w->done will be called, perhaps before this returns. -EINTR, -ENOMEM. A reader that was never opened
 * here is one whose process has died: it is told so, and goes on from now.
 */
ssize_t accesslog_read(struct accesslog *l, const struct accesslog_who *who, char *buf, size_t size,
		       struct accesslog_waiter *w) WARN_UNUSED;

/* It is to end with -EINTR. Before, while or after it waits; but not after `done` has ended. */
void accesslog_interrupt(struct accesslog *l, struct accesslog_waiter *w);

/* The log ends: whoever waits, and whoever reads from now on, finds its end. Returns when all are told. */
void accesslog_stop(struct accesslog *l);

#endif
