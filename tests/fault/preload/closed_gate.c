/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded. A disk that is busy: nothing is flushed to it as long as the file $GATE is there.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_for_gate(void)
{
	const struct timespec look = { .tv_nsec = 10 * 1000 * 1000 };
	const char *gate = getenv("GATE");

	while (gate && access(gate, F_OK) == 0)
		(void)nanosleep(&look, NULL);
}

int fsync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	wait_for_gate();
	return next(fd);
}

int fdatasync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	wait_for_gate();
	return next(fd);
}
