/* SPDX-License-Identifier: MIT */
/*
 * The layers of a mount, put together: built from the bottom up, taken down from the top. For main.c.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <pthread.h>
#include <stdbool.h>

#include "config/config.h"
#include "ledger/ledger.h"
#include "store/spilldir.h"
#include "store/store.h"
#include "util/lock.h"
#include "util/macro.h"

/* Everything the process owns, in the order it is made. */
struct daemon {
	struct config config; /* its live options: tuning; see tuning.h */
	struct lock tuning;   /* rank LOCK_TUNING */
	char *mountpoint;
	char *options;
	struct spilldir spill;
	struct store store;
	struct ledger *ledger;
	struct ledger_open_result ledger_state;
	struct trash *trash;
	struct exec_table *execs;
	struct restore *restore; /* of them, under way */
	struct seal *seal;
	struct fs *fs;
	struct control *control;
	struct session *session;
	struct reaper *reaper;
	struct recover *recover;
	struct keep *keep;	/* what outlives this process */
	pid_t guardian;		/* 0: this process is alone */
	char alone_why[96];	/* why no other process can take this one's place; "" if one can */
	unsigned int takeovers; /* processes that had the mount before this one: died or left */
	unsigned int upgrades;	/* programs that had, and left it to the next one */
	bool mountpoint_hangs;	/* a batonfs is there that does not answer, to be detached */
	pthread_t main_thread;	/* gets SIGTERM when the mount has ended */
};

/* Nothing is built yet: what daemon_take_down() leaves alone. */
#define DAEMON_NONE                                                                                \
	{                                                                                          \
		.spill = { .fd = -1, .lock_fd = -1, .blobs_fd = -1 }, .store = {                   \
			.ns = { MEMORY_NOWHERE, MEMORY_NOWHERE },                                  \
			.fd = -1,                                                                  \
			.lock_fd = -1,                                                             \
			.tree_fd = -1,                                                             \
			.trash_fd = -1,                                                            \
			.blobs_fd = -1                                                             \
		}                                                                                  \
	}

/*
 * Check what d->config says, and open the store. If d->keep is shared then, another process may take this one's place,
 * which is a fork of this one as it is now. 0, or -errno and it was said why (but for -ENOMEM); then, too,
 * daemon_take_down() is to be called.
 */
int daemon_prepare(struct daemon *d) WARN_UNUSED;

/*
 * Instead, in the place of another program: the configuration, the mountpoint and the store's descriptors are what it said.
 * 0 or -errno.
 */
int daemon_adopt(struct daemon *d) WARN_UNUSED;

/*
 * Build, mount and serve; main_thread is set, the lock is made. If there was one before, what the last process has
 * mounted; -ENODEV: that has been unmounted. Results as above.
 */
int daemon_build(struct daemon *d) WARN_UNUSED;

/*
 * Instead of taking it down: end what is under way, close the ledger in order, and leave the rest, which is kept, to the
 * process that comes next. To be followed by the end of this one.
 */
void daemon_leave(struct daemon *d);

/* 0; -errno: the connection to the kernel was not ended by us. */
int daemon_take_down(struct daemon *d);

/* How many processes that served the mount have died; one whose program was taken back counts as well. */
static inline unsigned int daemon_deaths(const struct daemon *d)
{
	return d->takeovers - d->upgrades;
}

/* In the guardian, when its workers have closed everything. */
void daemon_let_go(struct daemon *d);

/* Threads that serve requests, at most. */
unsigned int daemon_threads(const struct config *c);

#endif
