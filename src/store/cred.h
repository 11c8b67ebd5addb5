/* SPDX-License-Identifier: MIT */
/*
 * The calling thread as somebody else: new files belong to the client that asked for them.
 *
 * cred_thread_init() keeps all capabilities while the filesystem ids change (SECBIT_NO_SETUID_FIXUP) and
 * gives the thread a umask of its own (unshare(CLONE_FS)). So a thread can stay the client it served last:
 * cred_assume() costs no system call while the same client comes back, and nothing ever changes back.
 * Permission is not this module's business: the kernel has checked it (default_permissions).
 */
#ifndef STORE_CRED_H
#define STORE_CRED_H

#include <sys/types.h>

#include "util/macro.h"

/* One per thread that creates files; owned by the thread. */
struct cred {
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* 0, or -EPERM without CAP_SETPCAP and CAP_SETUID. Affects the calling thread only. */
int cred_thread_init(struct cred *c) WARN_UNUSED;

/* From now on what this thread creates belongs to uid:gid, with this umask. */
void cred_assume(struct cred *c, uid_t uid, gid_t gid, mode_t umask);

#endif
