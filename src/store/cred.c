/* SPDX-License-Identifier: MIT */
/*
 * Filesystem ids per thread. See the header for why nothing is ever changed back.
 */
#include "store/cred.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>

int cred_thread_init(struct cred *c)
{
	int bits = prctl(PR_GET_SECUREBITS);

	if (bits < 0)
		return -errno;
	if (!(bits & SECBIT_NO_SETUID_FIXUP) &&
	    prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return -errno;
	if (unshare(CLONE_FS) < 0)
		return -errno;
	(void)umask(0);
	*c = (struct cred){ .uid = (uid_t)setfsuid((uid_t)-1), .gid = (gid_t)setfsgid((gid_t)-1) };
	return 0;
}

void cred_assume(struct cred *c, uid_t uid, gid_t gid, mode_t mask)
{
	if (c->gid != gid) {
		(void)setfsgid(gid); /* never fails with CAP_SETGID; reports the old id */
		c->gid = gid;
	}
	if (c->uid != uid) {
		(void)setfsuid(uid);
		c->uid = uid;
	}
	if (c->umask != mask) {
		(void)umask(mask);
		c->umask = mask;
	}
}
