/* SPDX-License-Identifier: MIT */
/*
 * Time in nanoseconds. The coarse clocks are read from the vDSO without a system call and advance with
 * the kernel's tick (1 to 10 ms), which is exact enough for lifetimes.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

static inline int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Since the epoch, to the tick. */
static inline int64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME_COARSE);
}

/* Since boot, exact. */
static inline int64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
