/* SPDX-License-Identifier: MIT */
/*
 * The FUSE session: mount, the threads that serve requests, unmount.
 */
#ifndef FUSE_SESSION_H
#define FUSE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct fs;
struct session;

struct session_config {
	const char *source;	/* shown as the mount's source; borrowed */
	const char *mountpoint; /* absolute; borrowed */
	const char *options;	/* generic mount options, "nosuid,nodev"; borrowed */
	unsigned int threads;
	struct keep *keep; /* borrowed */
	bool debug;	   /* libfuse's own tracing */
};

/*
 * Mount in the calling thread's namespace; requests wait until session_start(). Returns 0, -ENODEV (no
 * /dev/fuse), -EPERM, -EBUSY, or another -errno; nothing is left mounted then.
 */
int session_mount(const struct session_config *config, struct fs *fs, struct session **ret)
	WARN_UNUSED;

/*
 * Instead, in the place of a process that has died: the connection that it left. 0, -ENODATA: it left none;
 * -errno. session_start() takes over what it was at.
 */
int session_attach(const struct session_config *config, struct fs *fs, struct session **ret)
	WARN_UNUSED;

/* Whether a process that dies could be replaced: after session_start(). */
bool session_can_be_attached(const struct session *s);

/*
 * End the connection that a process left which has died, and take its mount away, if it is there: whoever uses it gets
 * an error. In the namespace of session_mount().
 */
void session_abandon(struct keep *keep);

/*
 * Start the threads and return when the connection is set up, that is when passthrough is known to work or
 * not. `on_end` is called once, from one of them, when the mount is gone (fusermount3 -u). -ENODEV after session_attach():
 * it went before; on_end is not called.
 */
int session_start(struct session *s, void (*on_end)(void *arg), void *arg) WARN_UNUSED;

/*
 * Detach the mount if it is there: new opens fail. In the namespace of session_mount(). 0, or -ECONNABORTED if it
 * had failed: it was there, and dead, or requests could not be read any more.
 */
int session_unmount(struct session *s);

/*
 * Another process goes on with the connection: end what has been read, read nothing more. What waits for an answer that
 * is not a thread's to give, and what was not read, is that process's. Nothing of the session is used any more then; it is
 * not given back either, the descriptors being that process's, too.
 */
void session_leave(struct session *s);

/* See takeover/format.h. */
uint64_t session_layout(void);

/* Join the threads, whatever they wait for, and give everything back. session_free(NULL) is a no-op. */
void session_free(struct session *s);
static inline void session_freep(struct session **s)
{
	session_free(*s);
}

#endif
