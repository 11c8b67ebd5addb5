/* SPDX-License-Identifier: MIT */
/*
 * How many connections there are, and how long they last. Each serves one request and ends. Whoever says nothing for some
 * seconds is sent away by libmicrohttpd; here, whoever lasts too long all the same, by saying or hearing it very slowly, and
 * the oldest one when there are too many: so one who asks and listens always gets in.
 *
 * conns_notify() is libmicrohttpd's thread's, the others are the waiting thread's. A lock (rank LOCK_HTTP) is held inside
 * only.
 */
#ifndef HTTP_CONNS_H
#define HTTP_CONNS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "util/clock.h"
#include "util/macro.h"

/* Served at a time. Source: a few scrapers, a few open pages. */
#define CONNS_MAX 32

/* So many more until libmicrohttpd takes no new ones: those that were told to end, and have not yet. */
#define CONNS_LIMIT (2 * CONNS_MAX)

/* Silence, seconds, and how long all of it may take. Source: a scraper waits 10 s (scrape_timeout). */
#define CONNS_IDLE_S 5
#define CONNS_LIFE_NS (10 * NS_PER_S)

/* Memory of each, bytes: its headers. Source: those of a browser have less than 4 KiB. */
#define CONNS_MEMORY (16 << 10)

struct conns;

/* 0, -ENOMEM, -errno. It lasts as long as the process. */
int conns_new(struct conns **ret) WARN_UNUSED;

/* A callback of libmicrohttpd's; `cls` is a struct conns. */
void conns_notify(void *cls, struct MHD_Connection *c, void **socket_context,
		  enum MHD_ConnectionNotificationCode code);

/* End those whose time is over. When to call it again, for poll(2): milliseconds, or -1 when conns_fd() is readable. */
int conns_next_ms(struct conns *c);
int conns_fd(const struct conns *c);

#endif
