/* SPDX-License-Identifier: MIT */
#include "util/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

/* U+FFFD REPLACEMENT CHARACTER. */
#define REPLACEMENT "\xef\xbf\xbd"

/*
 * The forms of UTF-8, by length: bits of the first byte, and the smallest character it may be used
 * for.
 */
static const struct {
	unsigned char mask;
	unsigned char lead;
	uint32_t min;
} utf8_forms[] = {
	{ 0x80, 0x00, 0 },
	{ 0xe0, 0xc0, 0x80 },
	{ 0xf0, 0xe0, 0x800 },
	{ 0xf8, 0xf0, 0x10000 },
};

/* Length of the character at the start of n bytes; 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
	uint32_t c;
	size_t len = 0;

	while (len < ARRAY_SIZE(utf8_forms) &&
	       (s[0] & utf8_forms[len].mask) != utf8_forms[len].lead)
		len++;
	if (len++ == ARRAY_SIZE(utf8_forms) || len > n)
		return 0;
	c = s[0] & (unsigned char)~utf8_forms[len - 1].mask;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < utf8_forms[len - 1].min || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	return len;
}

char *utf8_dup(const char *s, size_t max)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = strnlen(s, max);
	char *text = malloc(n * strlen(REPLACEMENT) + 1);
	char *end = text;

	if (!text)
		return NULL;
	while (n > 0) {
		size_t len = utf8_length(p, n);

		if (len > 0)
			end = mempcpy(end, p, len);
		else
			end = stpcpy(end, REPLACEMENT);
		p += MAX_OF(len, (size_t)1);
		n -= MAX_OF(len, (size_t)1);
	}
	*end = '\0';
	return text;
}
