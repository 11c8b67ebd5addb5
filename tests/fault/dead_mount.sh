#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on memory-on
# A daemon that was killed leaves a mount that answers nothing. The next batonfs takes its place, also when it
# is named through a symlink; what is mounted there alive is left alone.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o takeover=off
echo whole >"$MNT/1/file"
reference=$("$BATON" ref "$MNT/1/file") || fail "ref"
pid=$(daemon_pid)
kill -9 "$pid"
wait_until 10 gone "$pid"
expect_errno ENOTCONN ls "$MNT"
"$BATON" verify "$reference" 2>/dev/null # the size the kernel still knows
expect_eq 3 $? "exit status of who cannot tell whether a file is what it was"

ln -s "$(dirname "$MNT")" "$WORK/way"
"$BATONFS" "$STORE" "$WORK/way/$(basename "$MNT")" ${OPTS:+-o "$OPTS"} 2>>"$WORK/daemon.log" ||
	fail "not mounted over the dead one: $(tail -n 1 "$WORK/daemon.log")"
[ "$STORE_KIND" = memory ] || expect_eq whole "$(cat "$MNT/1/file")"
echo again >"$MNT/1/file"

expect_fail "$BATONFS" memory:16M "$MNT" 2>"$WORK/second.log"
grep -q "mounted there already" "$WORK/second.log" || fail "it said: $(cat "$WORK/second.log")"
expect_eq again "$(cat "$MNT/1/file")"

pid=$(status 'd["pid"]')
wait_until 10 fusermount3 -u "$MNT"
wait_until 10 gone "$pid"
