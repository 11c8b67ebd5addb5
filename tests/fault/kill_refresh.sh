#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# The daemon is a client of its own mount when it refreshes attributes. Killed while it waits for its own answer,
# which is held back here, it dies all the same, and its mount with it.
. "$TESTS/lib/mount.sh"

waits_for_itself() {
	grep -q request_wait_answer "/proc/$pid/task"/*/wchan
}

all_traced() {
	! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/task"/*/status
}

mount_batonfs -o takeover=off
mkdir -p "$MNT/4711"
pid=$(daemon_pid)
exec 3>"$MNT/4711/input.bin"
echo data >&3
strace -qq -f -p "$pid" -e trace=writev -e inject=writev:delay_enter=5s -o /dev/null 3>&- &
tracer=$!
wait_until 10 all_traced
exec 3>&- # RELEASE: nobody waits for the answer
wait_until 10 waits_for_itself
kill -9 "$pid"
wait_until 10 gone "$pid"
wait "$tracer"
expect_errno ENOTCONN ls "$MNT"
