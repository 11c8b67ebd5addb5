/* SPDX-License-Identifier: MIT */
/*
 * Text out of bytes that others have chosen, for JSON and whoever else takes only UTF-8.
 */
#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include <stddef.h>

/*
 * At most `max` bytes of `s`, with U+FFFD for each byte that is not part of valid UTF-8;
 * malloc()ed. The names of processes and files are bytes, JSON is text. NULL: out of memory.
 */
char *utf8_dup(const char *s, size_t max);

#endif
