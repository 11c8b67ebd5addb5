/* SPDX-License-Identifier: MIT */
/*
 * Characters are taken whole or not at all, so that a cut leaves valid UTF-8.
 */
#include "util/quote.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Behind each cut: three dots, a quote, NUL. */
#define TAIL_SIZE sizeof("...\"")

/* Bytes of the character at `p`: 1 to 4; 0: it is no UTF-8 (RFC 3629). */
static size_t character(const unsigned char *p)
{
	/* The least that needs so many bytes; below, it is not the shortest form. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t value = n > 1 ? *p & (0x7fU >> n) : *p;

	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	if (n == 0 || value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return n;
}

static bool is_control(const unsigned char *p, size_t n)
{
	return (n == 1 && (*p < 0x20 || *p == 0x7f)) || (n == 2 && *p == 0xc2 && p[1] < 0xa0);
}

size_t quote(const char *text, char *buf, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;

	assert(len > TAIL_SIZE);
	buf[at++] = '"';
	while (*p) {
		char piece[16];
		size_t n = character(p);
		size_t used;

		if (n == 0 || is_control(p, n)) {
			n = n ? n : 1;
			for (used = 0; used < 4 * n; used += 4)
				(void)snprintf(piece + used, 5, "\\x%02x", p[used / 4]);
		} else {
			used = *p == '"' || *p == '\\';
			piece[0] = '\\';
			memcpy(piece + used, p, n);
			used += n;
		}
		if (at + used + TAIL_SIZE > len) {
			memcpy(buf + at, "...", 3);
			at += 3;
			break;
		}
		memcpy(buf + at, piece, used);
		at += used;
		p += n;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return at;
}
