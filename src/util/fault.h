/* SPDX-License-Identifier: MIT */
/*
 * Fault points: where a test has the process killed, or held until the test has looked, between two steps. They are
 * compiled only into the builds for tests (FAULT_POINTS, see CMakePresets.json); elsewhere they are nothing.
 *
 * BATONFS_FAULT=NAME or NAME:N in the environment ends the process with SIGKILL when it comes to the point
 * of that name, for the Nth time.
 */
#ifndef UTIL_FAULT_H
#define UTIL_FAULT_H

#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

void fault_point(const char *name);

#endif
