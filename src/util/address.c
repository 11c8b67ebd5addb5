/* SPDX-License-Identifier: MIT */
/*
 * Addresses and text.
 */
#include "util/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/parse.h"

/*
 * Split "HOST", "HOST:PORT", "[HOST]" or "[HOST]:PORT"; *ret_port is NULL if there is none. Whether it was in brackets,
 * or -EINVAL.
 */
static int split(const char *text, char host[ADDRESS_TEXT_MAX], const char **ret_port)
{
	bool brackets = text[0] == '[';
	const char *begin = text + brackets;
	size_t len = strcspn(begin, brackets ? "]" : ":");
	const char *rest = begin + len;

	if (len == 0 || len >= ADDRESS_TEXT_MAX || (brackets && *rest != ']'))
		return -EINVAL;
	rest += brackets;
	if (*rest && *rest != ':')
		return -EINVAL;
	memcpy(host, begin, len);
	host[len] = '\0';
	*ret_port = *rest ? rest + 1 : NULL;
	return brackets;
}

static int parse_host(const char *host, bool brackets, struct address *ret)
{
	*ret = (struct address){ .len = brackets ? sizeof(ret->sock.v6) : sizeof(ret->sock.v4) };
	ret->sock.any.sa_family = brackets ? AF_INET6 : AF_INET;
	return inet_pton(ret->sock.any.sa_family, host,
			 brackets ? (void *)&ret->sock.v6.sin6_addr
				  : (void *)&ret->sock.v4.sin_addr) == 1
		       ? 0
		       : -EINVAL;
}

int address_parse(const char *text, struct address *ret)
{
	char host[ADDRESS_TEXT_MAX];
	struct address a;
	const char *port;
	uint64_t n;
	int r = split(text, host, &port);

	if (r < 0 || !port || parse_u64(port, &n) < 0 || n > UINT16_MAX)
		return -EINVAL;
	r = parse_host(host, r, &a);
	if (r < 0)
		return r;
	if (a.sock.any.sa_family == AF_INET6)
		a.sock.v6.sin6_port = htons((uint16_t)n);
	else
		a.sock.v4.sin_port = htons((uint16_t)n);
	*ret = a;
	return 0;
}

const char *address_format(const struct address *a, char *buf, size_t size)
{
	bool six = a->sock.any.sa_family == AF_INET6;
	char host[INET6_ADDRSTRLEN];

	if (!inet_ntop(a->sock.any.sa_family,
		       six ? (const void *)&a->sock.v6.sin6_addr
			   : (const void *)&a->sock.v4.sin_addr,
		       host, sizeof(host)))
		(void)snprintf(buf, size, "?");
	else
		(void)snprintf(buf, size, six ? "[%s]:%u" : "%s:%u", host,
			       ntohs(six ? a->sock.v6.sin6_port : a->sock.v4.sin_port));
	return buf;
}

bool address_is_loopback(const struct address *a)
{
	if (a->sock.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->sock.v6.sin6_addr);
	return ntohl(a->sock.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool address_host_is_loopback(const char *text)
{
	char host[ADDRESS_TEXT_MAX];
	struct address a;
	const char *port;
	int r = split(text, host, &port);

	if (r < 0)
		return false;
	if (r == 0 && strcasecmp(host, "localhost") == 0)
		return true;
	return parse_host(host, r, &a) == 0 && address_is_loopback(&a);
}
