#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on ext4-off
# builds: ci
# A file is created where the kernel thinks there is none, and there is one: it is opened instead, and while it is cut
# nobody sees the hash of what it was. (Nobody but the daemon changes the store; here it is the test.)
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

all_traced() {
	! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/task"/*/status
}

is_cut() {
	[ ! -s "$STORE/tree/job/a" ]
}

mount_batonfs
mkdir "$MNT/job"
echo before >"$MNT/job/a"
for name in b c d; do
	expect_fail test -e "$MNT/job/$name"
	expect ln "$STORE/tree/job/a" "$STORE/tree/job/$name"
done
(set -C && echo x >"$MNT/job/b") 2>/dev/null && fail "O_EXCL made what is there"
echo more >>"$MNT/job/c"
expect_eq "before more" "$(xargs <"$MNT/job/a")"
sum=$(about "$MNT/job/a" xxh3)

pid=$(daemon_pid)
strace -qq -f -p "$pid" -e trace=openat -e inject=openat:delay_exit=700ms -o /dev/null &
tracer=$!
wait_until 10 all_traced
: >"$MNT/job/d" &
writer=$!
wait_until 20 is_cut
now=$(getfattr --absolute-names --only-values -n user.baton.xxh3 "$MNT/job/a" 2>&1)
[ "$now" != "$sum" ] || fail "the hash of what was there before"
expect wait $writer
kill_batonfs
wait "$tracer"
