/* SPDX-License-Identifier: MIT */
/*
 * Loaded before the C library (LD_PRELOAD) by clock_step.sh: what the process sees of the wall clock can be set while it
 * runs. CLOCK_STEP names a file, mapped by all who have this loaded: an int64_t of nanoseconds that are added to the time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const _Atomic int64_t *step;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("CLOCK_STEP");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*step), PROT_READ, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		step = p;
	if (fd >= 0)
		(void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int64_t ns;

	if (syscall(SYS_clock_gettime, clock, ret) < 0)
		return -1;
	if (!step || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return 0;
	ns = ret->tv_sec * SECOND + ret->tv_nsec + atomic_load(step);
	ret->tv_sec = ns / SECOND;
	ret->tv_nsec = ns % SECOND;
	return 0;
}
