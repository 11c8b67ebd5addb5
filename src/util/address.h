/* SPDX-License-Identifier: MIT */
/*
 * Where to listen, as people write it.
 */
#ifndef UTIL_ADDRESS_H
#define UTIL_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "util/macro.h"

/* Longest text, with its NUL. Source: "[", INET6_ADDRSTRLEN, "]:65535". */
#define ADDRESS_TEXT_MAX 64

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sock;
	socklen_t len;
};

/* "127.0.0.1:9464", "[::1]:9464": numbers only, nothing is resolved; port 0 is any that is free. 0, -EINVAL. */
int address_parse(const char *text, struct address *ret) WARN_UNUSED;

/* The same as text; returns buf. */
const char *address_format(const struct address *a, char *buf, size_t size);

/* Whether it is this machine's for itself: 127.0.0.0/8, ::1. */
bool address_is_loopback(const struct address *a);

/* Whether a Host line of HTTP ("localhost:9464") names the machine as it calls itself: by such an address, or localhost. */
bool address_host_is_loopback(const char *host);

#endif
