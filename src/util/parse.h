/* SPDX-License-Identifier: MIT */
/*
 * Numbers with units, as people write them. All return 0, -EINVAL (not of the form) or -ERANGE (does not
 * fit), and write the result only on success.
 */
#ifndef UTIL_PARSE_H
#define UTIL_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* Decimal digits only. */
int parse_u64(const char *s, uint64_t *ret) WARN_UNUSED;

/* Octal digits up to 07777, as in umask=. */
int parse_mode(const char *s, uint32_t *ret) WARN_UNUSED;

/* "512", "64K", "1.5G", "2GiB": bytes; K M G T are powers of 1024. 9.2e18 and more are -ERANGE: sizes are added, and signed. */
int parse_size(const char *s, uint64_t *ret_bytes) WARN_UNUSED;

/* "25%" of `whole` or a size as parse_size() takes it. 0% and above 100% are -ERANGE. */
int parse_share(const char *s, uint64_t whole_bytes, uint64_t *ret_bytes) WARN_UNUSED;

/* "90", "90s", "30m", "2h", "7d", "1h30m", "250ms": nanoseconds; a bare number is seconds. */
int parse_duration(const char *s, int64_t *ret_ns) WARN_UNUSED;

/* on off yes no true false 1 0. */
int parse_bool(const char *s, bool *ret) WARN_UNUSED;

/*
 * "1.5 GiB" and "1h 30m" for people; `buf` gets at most `len` bytes including the NUL. Return buf.
 */
const char *format_size(uint64_t bytes, char *buf, size_t len);
const char *format_duration(int64_t ns, char *buf, size_t len);

#endif
