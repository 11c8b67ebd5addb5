#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# expect-log: (reading requests: error=EIO|the connection to the kernel was ended from outside, or failed)
# A daemon that cannot read requests any more ends, also while it is its own client and waits for an answer, and takes
# its mount with it.
. "$TESTS/lib/mount.sh"

all_traced() {
	! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/task"/*/status
}

mount_batonfs -f -o takeover=off
mkdir -p "$MNT/4711"
pid=$(daemon_pid)
exec 3>"$MNT/4711/input.bin"
echo data >&3
# After RELEASE the daemon asks itself; half a second later each of its readers has failed.
strace -qq -f -p "$pid" -P /dev/fuse -e trace=read -e inject=read:delay_enter=500ms:error=EIO:when=2+ -o /dev/null 3>&- &
tracer=$!
wait_until 10 all_traced
exec 3>&-
wait_until 20 gone "$pid"
wait "$pid"
expect_eq 1 $? "exit code"
wait "$tracer"
! is_mounted || fail "still mounted"
unset "mount_pid[$MNT]"
