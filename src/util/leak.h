/* SPDX-License-Identifier: MIT */
/*
 * What a process that ends by _exit(2) still has, said by the address sanitizer; nothing without it.
 */
#ifndef UTIL_LEAK_H
#define UTIL_LEAK_H

#ifdef __SANITIZE_ADDRESS__

#include <sanitizer/lsan_interface.h>

/* Does not return if there are leaks: the process ends as the sanitizer was told to (ASAN_OPTIONS, exitcode=). */
static inline void leak_check(void)
{
	__lsan_do_leak_check();
}

#else

static inline void leak_check(void)
{
}

#endif

#endif
