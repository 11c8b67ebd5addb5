#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# x-mount.mkdir makes the mountpoint, whatever the umask of who mounts, and goes by what is mounted there already, also if its
# daemon is dead or hangs: so a container finds its way on an empty volume, and after a kill.
. "$TESTS/lib/mount.sh"

umask 077
expect mkdir -m 755 "$WORK/volume"
MNT=$WORK/volume/deep/tmp
expect_fail "$BATONFS" memory:10M "$MNT" 2>/dev/null
expect_eq "" "$(ls -A "$WORK/volume")" "made unasked"

OPTS=takeover=off,x-mount.mkdir mount_batonfs
expect_eq "755 1777" "$(stat -c %a "$WORK/volume/deep" "$MNT" | paste -sd' ')" "modes"
pid=$(daemon_pid)
kill_daemon "$pid"
wait_until 10 gone "$pid"
expect_errno ENOTCONN ls "$MNT"
OPTS=takeover=off,x-mount.mkdir=0700 mount_batonfs
unmount_batonfs
expect_eq 755 "$(stat -c %a "$MNT")" "the mode of what was there"

: >"$WORK/file"
said=$("$BATONFS" memory:10M "$WORK/file/tmp" -o x-mount.mkdir 2>&1)
expect_eq 2 $? "exit code"
expect_match "mountpoint $WORK/file/tmp: cannot be made: Not a directory" "$said"
