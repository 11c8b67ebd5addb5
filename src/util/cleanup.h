/* SPDX-License-Identifier: MIT */
/*
 * Scoped ownership: _cleanup_(f) runs f(&var) when the variable leaves its scope; TAKE_PTR() and
 * TAKE_FD() hand the resource on and leave the empty value behind. Every cleanup function accepts the
 * empty value and preserves errno.
 */
#ifndef UTIL_CLEANUP_H
#define UTIL_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* DEFINE_CLEANUP(struct blob *, blob_free) makes blob_freep() for pointers to such a variable. */
#define DEFINE_CLEANUP(type, func)                                                                 \
	static inline void func##p(type *p)                                                        \
	{                                                                                          \
		if (*p) {                                                                          \
			int saved_ = errno;                                                        \
			func(*p);                                                                  \
			errno = saved_;                                                            \
		}                                                                                  \
	}

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Close a descriptor (-1 is a no-op); errno is preserved. Returns -1, to be assigned. */
static inline int safe_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		(void)close(fd); /* Linux closes it whatever it returns */
		errno = saved;
	}
	return -1;
}

static inline void closep(int *fd)
{
	(void)safe_close(*fd);
}

static inline void freep(void *p)
{
	free(*(void **)p); /* glibc 2.33 and later preserve errno in free(3) */
}

DEFINE_CLEANUP(DIR *, closedir)
DEFINE_CLEANUP(FILE *, fclose)

#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_closedir_ _cleanup_(closedirp)
#define _cleanup_fclose_ _cleanup_(fclosep)

#endif
