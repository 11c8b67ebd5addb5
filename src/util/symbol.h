/* SPDX-License-Identifier: MIT */
/*
 * Names for addresses of this process's code. The program's own functions, static ones too, are found in the table of
 * symbols of its file, unless that was stripped; then the address is told as an offset, for addr2line(1).
 */
#ifndef UTIL_SYMBOL_H
#define UTIL_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

/* Of /proc/self/exe. NULL if there are none to be had, which symbol_text() takes. */
struct symbols *symbols_new(void);
void symbols_free(struct symbols *s);
static inline void symbols_freep(struct symbols **s)
{
	symbols_free(*s);
}

/* "function+0x1f", "libc.so.6:read+0xd", or, of what has no name, "batonfs+0x1f3a0". Returns buf. */
const char *symbol_text(const struct symbols *s, uintptr_t pc, char *buf, size_t len);

#endif
