#!/bin/bash
# SPDX-License-Identifier: MIT
# What batonfs does behind a close keeps the mount as little busy as it keeps the client: it can be unmounted at once,
# and the daemon ends with it.
# variants: memory-on ext4-on
. "$TESTS/lib/mount.sh"

for ((round = 1; round <= 60; round++)); do
	mount_batonfs
	pid=$(daemon_pid)
	expect write_unmount "$MNT" "$MNT/4711/$round" $((round * 7 % 400))
	wait_until 20 gone "$pid"
done
