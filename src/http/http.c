/* SPDX-License-Identifier: MIT */
/*
 * The parent's side: the address, the process, what is said to it.
 */
#include "http/http.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/server.h"
#include "util/address.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Connections that wait to be taken. Source: several times those that are served at a time (http/conns.h). */
#define BACKLOG 256

/* How long the server of a batonfs that was killed may still have the address; and how often it is tried. */
#define ADDRESS_WAIT_NS NS_PER_S
#define ADDRESS_POLL_NS (20 * NS_PER_MS)

/* How long the server may take to begin, and to end. Source: milliseconds; a machine may be very busy. */
#define BEGIN_MS 5000
#define END_MS 2000

/* What the loader says of a library: a sentence with a path. */
#define LOAD_ERROR_MAX (PATH_MAX + 256)

static int listen_at(const struct address *a)
{
	_cleanup_close_ int fd =
		socket(a->sock.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->sock.any.sa_family == AF_INET6) /* 0.0.0.0 is for who says so */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a->sock.any, a->len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int listen_soon(const struct address *a)
{
	int64_t end = clock_mono_ns() + ADDRESS_WAIT_NS;
	struct timespec ts = { .tv_nsec = ADDRESS_POLL_NS };
	int fd = listen_at(a);

	while (fd == -EADDRINUSE && clock_mono_ns() < end) {
		(void)nanosleep(&ts, NULL);
		fd = listen_at(a);
	}
	return fd;
}

static int complain(const char *address, const char *where, int err)
{
	switch (err) {
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
		log_error(
			"option metrics=%s (%s): this machine has no such address; 127.0.0.1 it has",
			address, where);
		return -EINVAL;
	case -EADDRINUSE:
		log_error(
			"option metrics=%s (%s): somebody listens there already; give another port",
			address, where);
		break;
	case -EACCES:
		log_error(
			"option metrics=%s (%s): no right to a port below 1024 (CAP_NET_BIND_SERVICE); "
			"give a higher one",
			address, where);
		return -EINVAL;
	default:
		log_error("option metrics=%s (%s): cannot listen: %s; metrics=off goes without",
			  address, where, strerror(-err));
		break;
	}
	return err;
}

static void say_address(int fd)
{
	struct address a = { .len = sizeof(a.sock) };
	char text[ADDRESS_TEXT_MAX];

	if (getsockname(fd, &a.sock.any, &a.len) == 0)
		log_info("metrics address=%s", address_format(&a, text, sizeof(text)));
}

/* A message, with a NUL; its length, or 0 at the end of all. -ETIMEDOUT, -errno. */
static int hear(struct http *h, int timeout_ms, char *text, size_t len)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	r = (int)read(h->fd, text, len - 1);
	text[r < 0 ? 0 : r] = '\0';
	return r < 0 ? -errno : r;
}

/* It is there, and has the library. */
static int await_server(struct http *h, const char *address, const char *where)
{
	char wrong[LOAD_ERROR_MAX];
	int r = hear(h, BEGIN_MS, wrong, sizeof(wrong));

	if (r > 0 && !wrong[0])
		return 0;
	h->fd = safe_close(h->fd);
	log_error("option metrics=%s (%s): cannot be served: %s; metrics=off goes without", address,
		  where, r > 0 ? wrong : "its process did not begin");
	return r > 0 ? -ELIBACC : -EAGAIN;
}

int http_begin(const char *address, const char *where, const struct http_upcalls *up,
	       struct http *ret)
{
	_cleanup_close_ int fd = -1;
	struct address a;
	int fds[2];
	pid_t pid;
	int r;

	if (address_parse(address, &a) < 0)
		return complain(address, where, -EAFNOSUPPORT);
	fd = listen_soon(&a);
	if (fd < 0)
		return complain(address, where, fd);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return complain(address, where, -errno);
	pid = fork();
	if (pid == 0)
		server_run(fd, fds[1], address_is_loopback(&a), up);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return complain(address, where, -EAGAIN);
	}
	ret->fd = fds[0];
	r = await_server(ret, address, where);
	if (r == 0)
		say_address(fd);
	return r;
}

void http_serve(struct http *h, const char *mountpoint, bool background)
{
	char text[SERVER_ORDER_MAX];
	int n = snprintf(text, sizeof(text), "%c%s",
			 background ? SERVER_BACKGROUND : SERVER_FOREGROUND, mountpoint);

	if (h->fd < 0)
		return;
	if (n >= (int)sizeof(text) || write(h->fd, text, (size_t)n + 1) < 0 ||
	    hear(h, BEGIN_MS, text, sizeof(text)) <= 0)
		log_warning("metrics over HTTP: the process that serves them did not begin; there "
			    "are none but in .baton/metrics");
}

void http_end(struct http *h)
{
	char byte[2];

	if (h->fd < 0)
		return;
	if (write(h->fd, "", 1) == 1)
		(void)hear(h, END_MS, byte, sizeof(byte));
	h->fd = safe_close(h->fd);
}
