/* SPDX-License-Identifier: MIT */
/*
 * What a worker's threads are at, seen from outside: by whoever has the keep. Without takeover nothing is seen.
 */
#ifndef FUSE_REQUEST_TEXT_H
#define FUSE_REQUEST_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/keep.h"

/* Another number whenever a thread has read another request since, and so answered, or put off, the one before. */
uint64_t requests_read(const struct keep *keep);

/* "request=LOOKUP nodeid=7 unique=1234 pid=88 uid=1000" of what the thread serves; "" if nothing. */
void request_text(const struct keep *keep, pid_t tid, char *buf, size_t len);

#endif
