#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on memory-on
# batonfs --clear takes away what a dead batonfs left, also when the kernel still knows its root's attributes,
# and one that hangs, whose users get an error then instead of waiting on. What works is left alone.
. "$TESTS/lib/mount.sh"

own_namespace
[ -e /sys/fs/fuse/connections/. ] && mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null
if [ "$STORE_KIND" = memory ]; then
	# As in a container, which does not have that.
	while mountpoint -q /sys/fs/fuse/connections; do
		expect umount /sys/fs/fuse/connections
	done
fi

clear_it() {
	expect timeout 30 "$BATONFS" --clear "$MNT" 2>"$WORK/said"
}

clear_it # nothing there
expect_eq "" "$(cat "$WORK/said")"
"$BATONFS" --clear 2>"$WORK/said"
expect_eq 2 $? "exit code without a mountpoint"
"$BATONFS" --clear "$MNT" "$MNT" 2>"$WORK/said"
expect_eq 2 $? "exit code with two"

mount_batonfs
echo whole >"$MNT/1/file"
clear_it
expect_eq "" "$(cat "$WORK/said")"
expect_eq whole "$(cat "$MNT/1/file")"

expect unmount_batonfs

# Dead. stat(2) is still answered by the kernel.
mount_batonfs -o takeover=off
pid=$(daemon_pid)
stat "$MNT" >/dev/null
kill -9 "$pid"
wait_until 10 gone "$pid"
clear_it
! is_mounted || fail "still there: dead"
expect_match "has died mountpoint=$MNT" "$(cat "$WORK/said")"

# Hanging: somebody waits for an answer.
mount_batonfs
pid=$(daemon_pid)
stop_batonfs
cat "$MNT/.baton/version" >/dev/null 2>"$WORK/reader" &
reader=$!
clear_it
! is_mounted || fail "still there: hangs"
expect_match "hangs mountpoint=$MNT" "$(cat "$WORK/said")"
expect_eq 1 "$(wc -l <"$WORK/said")" "lines: $(cat "$WORK/said")"
wait $reader && fail "a reader that waited was answered"
continue_batonfs
wait_until 20 gone "$pid"
unset "mount_pid[$MNT]"
mount_batonfs
[ "$STORE_KIND" = memory ] || expect_eq whole "$(cat "$MNT/1/file")"
expect unmount_batonfs
