/* SPDX-License-Identifier: MIT */
/*
 * Telling the kernel that a cached name is no more. Such a notification waits for operations in that
 * directory, which may wait for a thread of ours: so it is never sent by a thread that serves requests, but
 * by one of its own. What must follow it (a reply) queues up behind it.
 */
#ifndef FUSE_NOTIFY_H
#define FUSE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct fuse_session;
struct keep;
struct notify;

/* Starts the thread. keep: borrowed. The session is borrowed and may be set later, before the first notification. */
int notify_new(struct keep *keep, struct notify **ret) WARN_UNUSED;
/*
 * NULL: the kernel is told nothing more. Returns when everything queued is handled; until then, threads have
 * to serve those whom a notification waits for.
 */
void notify_set_session(struct notify *n, struct fuse_session *session);
/*
 * Another process goes on here: wait for what is queued, but not beyond the time of CLOCK_MONOTONIC; threads have to serve.
 */
void notify_wait(struct notify *n, int64_t until_mono_ns);
/* And begin nothing more: what is still queued is left to that process, which will be asked for the answers again. */
void notify_leave(struct notify *n, int64_t until_mono_ns);
/* Handles what is queued (without the kernel, if the session is gone), then stops. */
void notify_free(struct notify *n);

/*
 * The entry `name` of the directory `nodeid` is gone: drop it and what is below it from the cache. note: from
 * notify_going(), else 0.
 */
void notify_gone(struct notify *n, uint64_t nodeid, const char *name, uint32_t note);

/* The same of a name that no client has seen, some time: what is below it is to be forgotten. */
void notify_drop(struct notify *n, uint64_t nodeid, const char *name);

/*
 * The entry is about to go, and no client waits for that, who would ask again: if this process ends before notify_gone(),
 * the next one tells the kernel. Ended by notify_gone(), or notify_stays(): it has not gone. Takes no lock but its own.
 */
uint32_t notify_going(struct notify *n, uint64_t nodeid, const char *name);
void notify_stays(struct notify *n, uint32_t note);

/*
 * In the place of a process that has died: what it had not told the kernel is queued, behind a call of fn for each. False: it
 * had more than could be written down.
 */
bool notify_resume(struct notify *n, void (*fn)(void *arg, uint64_t nodeid, const char *name),
		   void *arg) WARN_UNUSED;
/* And that the kernel asks for all names since. */
void notify_doubted(struct notify *n);

/*
 * Call step(arg, session) in the notifier's thread until it returns false, whenever nothing quick is left to do,
 * and before names that are said to be gone later are dropped. It is called once with a NULL session, and not
 * again, when there is none. -ENOMEM: it is not called.
 */
typedef bool notify_step_fn(void *arg, struct fuse_session *session);
int notify_slowly(struct notify *n, notify_step_fn *step, void *arg) WARN_UNUSED;

/* Call fn(arg) in the notifier's thread once everything queued before is done. */
void notify_then(struct notify *n, void (*fn)(void *arg), void *arg);

#endif
