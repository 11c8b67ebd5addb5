/* SPDX-License-Identifier: MIT */
/*
 * The process that answers HTTP: how it becomes what it is, and when it ends. For http/http.c.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <limits.h>
#include <stdbool.h>

#include "http/http.h"
#include "util/macro.h"

/* What its parent sends: one of these letters and the mountpoint, with its NUL; anything after that means: end. */
#define SERVER_BACKGROUND 'b'
#define SERVER_FOREGROUND 'f'
#define SERVER_ORDER_MAX (PATH_MAX + 1)

/*
 * In the new process, which has the caller's descriptors; it keeps these two and standard error. `loopback`: it listens for
 * this machine alone. It sends a text: empty, or what is wrong with libmicrohttpd, and then it ends; a byte when it serves.
 */
NORETURN void server_run(int listen_fd, int parent_fd, bool loopback,
			 const struct http_upcalls *up);

#endif
