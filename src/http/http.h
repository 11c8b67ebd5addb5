/* SPDX-License-Identifier: MIT */
/*
 * Metrics, health and a page for people over HTTP (option metrics=), by a process of its own, the server.
 *
 * It is a client of the mount: it reads files of .baton. So it shows what everybody may read there, whoever breaks into it
 * has nothing of the daemon's, it goes on when the daemon is replaced (docs/takeover.md), and that it gets an answer proves
 * that others do. It is nobody, without capabilities, and sees of the filesystem .baton alone, read-only: its root is a
 * clone of that directory's mount, which is in nobody's table of mounts, so that the users' one is not busy. It is forked
 * before anything is open or given up; listens from then on; answers when the mount does. It ends when the mount is taken
 * away, or its parent ends, however.
 *
 *     GET /           the page (status.html)      GET /metrics           Prometheus' text format, 0.0.4
 *     GET /healthz    200, or 503 and why         GET /status.json, /executions.json
 *
 * For main.c.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>

#include "util/macro.h"

/* What the server gives up, each once, in this order; 0 or -errno. */
struct http_upcalls {
	int (*become_nobody)(void); /* it has one thread */
	int (*give_up_calls)(void); /* all is built; -EOPNOTSUPP: there are no filters here */
};

struct http {
	int fd; /* owned; the server has the other end, and ends when this is closed. -1: there is none */
};

#define HTTP_NONE                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Listen at `address` (util/address.h), and fork. Nothing but the calling thread may exist. `where` names who has said so,
 * for the log: "command line". 0; -errno, and it was logged: -EINVAL if no such address can be had here.
 */
int http_begin(const char *address, const char *where, const struct http_upcalls *up,
	       struct http *ret) WARN_UNUSED;

/*
 * The mount answers at this path (absolute): serve it. `background`: leave the terminal as well. Returns when the server
 * has what it needs of the filesystem, or cannot have it, which was logged.
 */
void http_serve(struct http *h, const char *mountpoint, bool background);

/* Returns when it has ended and the address is free, but for a server that is stuck. */
void http_end(struct http *h);

#endif
