/* SPDX-License-Identifier: MIT */
/*
 * What the daemon gives up: it is root for the sake of a few things (docs/security.md), and reads what strangers
 * wrote. In two steps: rights before there is a second thread, system calls when all is built and none of those is
 * needed any more that building takes. For good.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include "util/macro.h"

/*
 * Capabilities but those in docs/security.md, in every set, and what execve(2) could give (no_new_privs). The calling
 * thread must be the only one. 0 or -errno.
 */
int confine_rights(void) WARN_UNUSED;

/*
 * System calls but those that serving, and taking down, takes: all others fail with EPERM, clone3(2) with ENOSYS. For
 * all threads, and those they make. -EOPNOTSUPP: a build with a sanitizer, which has calls of its own, or a kernel
 * without filters; or -errno.
 */
int confine_calls(void) WARN_UNUSED;

/* Instead of both, for the process that answers HTTP (http/http.h); for good. */

/*
 * Become nobody, without a capability, in any set, or a way to one. The calling thread must be the only one. 0 or
 * -errno.
 */
int confine_to_nobody(void) WARN_UNUSED;

/* System calls but those that answering takes, and reading files; as confine_calls(). */
int confine_http_calls(void) WARN_UNUSED;

#endif
