/* SPDX-License-Identifier: MIT */
/*
 * What people read: error lines, and times, sizes and owners in words. Functions that fill `buf` write at
 * most `len` bytes including the NUL and return buf; SAY_MAX is enough for all of them. Times are seconds
 * since the epoch, durations are seconds, as in the interface's JSON.
 */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

#define SAY_MAX 160

/* "baton: ...\n" on stderr, in one line: control characters become '?'. */
void say_error(const char *fmt, ...) PRINTF(1, 2);

/* "250 ms", "12 s", "30m", "1h 30m", "2d"; negative durations count as 0. */
const char *say_duration(double seconds, char *buf, size_t len);

/* "2026-11-21 20:44:01", local time. */
const char *say_time(double when, char *buf, size_t len);

/* "1 file, 100 MiB" */
const char *say_usage(int64_t files, int64_t bytes, char *buf, size_t len);

/* "root", or "1000" where the number has no name. */
const char *say_user(int64_t uid, char *buf, size_t len);

/* An owner object: "uid 1000 (node, pid 77)"; pid and command are left out where unknown. */
const char *say_owner(const json_t *owner, char *buf, size_t len);

#endif
