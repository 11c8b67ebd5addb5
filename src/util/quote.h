/* SPDX-License-Identifier: MIT */
/*
 * Text that others have chosen, between quotes on one line that can be read back: nothing in it can end the quotes or the
 * line, or command a terminal.
 */
#ifndef UTIL_QUOTE_H
#define UTIL_QUOTE_H

#include <stddef.h>

/*
 * `text` in double quotes into buf, with a backslash before " and \, and \xNN for each byte of a control character
 * (U+0080 to U+009F are some, too) and of what is no UTF-8. What does not fit is left out, and "..." stands in its place.
 * Always ends in a quote and a NUL; `len` is at least 6. Returns the length without the NUL.
 */
size_t quote(const char *text, char *buf, size_t len);

#endif
