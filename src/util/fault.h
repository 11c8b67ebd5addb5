/* SPDX-License-Identifier: MIT */
/*
 * Fault points: where a test has the process killed between two steps, and calls that a test has fail. They are
 * compiled only into the builds for tests (FAULT_POINTS, see CMakePresets.json); elsewhere they are nothing.
 *
 * BATONFS_FAULT=NAME or NAME:N in the environment ends the process with SIGKILL when it comes to the point
 * of that name, for the Nth time. FAULT_NUMBER() is a number that a test may set by a variable of its own.
 *
 * BATONFS_FAULT_HANG names a file whose first line is NAME. The first thread that comes to the point of that name removes
 * it, and stays there for ever; with NAME STATUS the process ends there, with that status.
 *
 * BATONFS_FAULT_WAIT names a file whose first line is NAME. Who comes to the point of that name waits until it is gone.
 *
 * BATONFS_FAULT_CALLS names a file that a test writes while the process runs:
 *
 *     NAME FIRST LAST ERRNO
 *
 * The calls of that name, or with "*" all together, are counted from when the file was written, from 1 on; those from
 * FIRST to LAST fail with the error of that number, and are not made. Of that the file FILE.hit tells, which then
 * appears. Without a file none fails.
 */
#ifndef UTIL_FAULT_H
#define UTIL_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#define FAULT_HANG(name) fault_hang(name)
#define FAULT_WAIT(name) fault_wait(name)
#define FAULT_NUMBER(variable, otherwise) fault_number(variable, otherwise)
/* A system call that returns -1 and sets errno; as it stands there, or failed. */
#define FAULT_CALL(name, call) (fault_call(name) ? -1 : (call))
#else
#define FAULT_POINT(name) ((void)0)
#define FAULT_HANG(name) ((void)0)
#define FAULT_WAIT(name) ((void)0)
#define FAULT_NUMBER(variable, otherwise) (otherwise)
#define FAULT_CALL(name, call) (call)
#endif

void fault_point(const char *name);
void fault_hang(const char *name);
void fault_wait(const char *name);
uint64_t fault_number(const char *variable, uint64_t otherwise);

/* Whether the call is to fail; then errno is set. Any thread. */
bool fault_call(const char *name);

#endif
