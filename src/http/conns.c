/* SPDX-License-Identifier: MIT */
/*
 * A table, oldest first. An entry is there as long as its descriptor is libmicrohttpd's, which tells before it closes it.
 */
#include "http/conns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/mhd.h"
#include "util/lock.h"

struct conn {
	int fd;
	bool ended; /* told to */
	int64_t start_mono_ns;
};

struct conns {
	int event_fd; /* owned; readable: there was none, and now is one */
	struct lock lock;
	struct conn at[CONNS_LIMIT]; /* lock; in the order of their start */
	size_t n;		     /* lock */
};

int conns_new(struct conns **ret)
{
	struct conns *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0) {
		free(c);
		return -errno;
	}
	lock_init(&c->lock, LOCK_HTTP);
	*ret = c;
	return 0;
}

int conns_fd(const struct conns *c)
{
	return c->event_fd;
}

/* libmicrohttpd sees the end of what it reads, or cannot write. */
static void end(struct conn *conn)
{
	if (!conn->ended)
		(void)shutdown(conn->fd, SHUT_RDWR);
	conn->ended = true;
}

static void begun_locked(struct conns *c, int fd)
{
	uint64_t one = 1;
	size_t serving = 0;

	if (c->n == CONNS_LIMIT)
		return; /* libmicrohttpd takes no more */
	if (c->n == 0)
		(void)!write(c->event_fd, &one, sizeof(one));
	c->at[c->n++] = (struct conn){ .fd = fd, .start_mono_ns = clock_mono_ns() };
	for (size_t i = 0; i < c->n; i++)
		serving += !c->at[i].ended;
	for (size_t i = 0; i < c->n && serving > CONNS_MAX; i++) {
		serving -= !c->at[i].ended;
		end(&c->at[i]);
	}
}

static void ended_locked(struct conns *c, int fd)
{
	size_t i = 0;

	while (i < c->n && c->at[i].fd != fd)
		i++;
	if (i == c->n)
		return;
	c->n--;
	memmove(&c->at[i], &c->at[i + 1], (c->n - i) * sizeof(c->at[0]));
}

void conns_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conns *c = cls;

	(void)socket_context;
	if (!info)
		return;
	LOCK_SCOPE(&c->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begun_locked(c, info->connect_fd);
	else
		ended_locked(c, info->connect_fd);
}

int conns_next_ms(struct conns *c)
{
	int64_t now = clock_mono_ns();
	uint64_t events;

	(void)!read(c->event_fd, &events, sizeof(events));
	LOCK_SCOPE(&c->lock);
	for (size_t i = 0; i < c->n; i++) {
		int64_t left = c->at[i].start_mono_ns + CONNS_LIFE_NS - now;

		if (left > 0)
			return (int)(left / NS_PER_MS) + 1;
		end(&c->at[i]);
	}
	return -1;
}
