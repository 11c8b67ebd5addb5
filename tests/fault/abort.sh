#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# expect-log: the connection to the kernel was ended from outside
# A connection that is ended from outside leaves no dead mount, and the daemon says that it failed; an unmount from
# outside is no failure. On kernels, too, whose mount ids are given again (before Linux 6.8).
. "$TESTS/lib/mount.sh"

own_namespace
[ -e /sys/fs/fuse/connections/. ] && mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null

cat >"$WORK/old.c" <<'END'
#include <sys/syscall.h>
#include <unistd.h>
#define MNT_ID_UNIQUE 0x4000u
int statx(int dir, const char *path, int flags, unsigned int mask, void *ret)
{
	return syscall(SYS_statx, dir, path, flags, mask & ~MNT_ID_UNIQUE, ret);
}
END
expect cc -shared -fPIC -o "$WORK/old.so" "$WORK/old.c"

# ends_with STATUS [COMMAND...]: it ends the mount that is there.
ends_with() {
	local status=$1 pid
	shift

	pid=$(daemon_pid)
	expect "$@"
	wait "$pid"
	expect_eq "$status" $? "exit code after: $*"
	! is_mounted || fail "still there after: $*"
	unset "mount_pid[$MNT]"
}

abort() {
	echo 1 >"/sys/fs/fuse/connections/$(mountpoint -d "$MNT" | cut -d: -f2)/abort"
}

for preload in '' "$WORK/old.so"; do
	LD_PRELOAD=$preload mount_batonfs -f
	ends_with 1 abort
	LD_PRELOAD=$preload mount_batonfs -f
	ends_with 0 fusermount3 -u "$MNT"
done
