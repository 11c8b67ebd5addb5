/* SPDX-License-Identifier: MIT */
/*
 * Telling the kernel that a cached name is no more. Such a notification waits for operations in that
 * directory, which may wait for a thread of ours: so it is never sent by a thread that serves requests, but
 * by one of its own. What must follow it (a reply) queues up behind it.
 */
#ifndef FUSE_NOTIFY_H
#define FUSE_NOTIFY_H

#include <stdint.h>

#include "util/macro.h"

struct fuse_session;
struct notify;

/* Starts the thread. The session is borrowed and may be set later, before the first notification. */
int notify_new(struct notify **ret) WARN_UNUSED;
/*
 * NULL: the kernel is told nothing more. Returns when everything queued is handled; until then, threads have
 * to serve those whom a notification waits for.
 */
void notify_set_session(struct notify *n, struct fuse_session *session);
/* Handles what is queued (without the kernel, if the session is gone), then stops. */
void notify_free(struct notify *n);

/* The entry `name` of the directory `nodeid` is gone: drop it and what is below it from the cache. */
void notify_gone(struct notify *n, uint64_t nodeid, const char *name);

/* Call fn(arg) in the notifier's thread once everything queued before is done. */
void notify_then(struct notify *n, void (*fn)(void *arg), void *arg);

#endif
