/* SPDX-License-Identifier: MIT */
/*
 * Fault points: where a test has the process killed, or held until the test has looked, between two steps. They are
 * compiled only into the builds for tests (FAULT_POINTS, see CMakePresets.json); elsewhere they are nothing.
 *
 * BATONFS_FAULT=NAME or NAME:N in the environment ends the process with SIGKILL when it comes to the point
 * of that name, for the Nth time. FAULT_NUMBER() is a number that a test may set by a variable of its own.
 */
#ifndef UTIL_FAULT_H
#define UTIL_FAULT_H

#include <stdint.h>

#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#define FAULT_NUMBER(variable, otherwise) fault_number(variable, otherwise)
#else
#define FAULT_POINT(name) ((void)0)
#define FAULT_NUMBER(variable, otherwise) (otherwise)
#endif

void fault_point(const char *name);
uint64_t fault_number(const char *variable, uint64_t otherwise);

#endif
