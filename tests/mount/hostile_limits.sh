#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci asan
# What the daemon is allowed is not for one client to use up, nor what its starter was allowed a trap: descriptors, and the
# size of files.
. "$TESTS/lib/mount.sh"

(
	ulimit -n 256
	ulimit -f 4096
	mount_batonfs
) || fail "mount"
mount_pid[$MNT]=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$MNT/.baton/status.json")

# Larger than whoever started the daemon may make them: done, or refused if the daemon may not lift that.
said=$(LC_ALL=C dd if=/dev/zero of="$MNT/1/large" bs=64K count=100 2>&1) || expect_match "File too large" "$said"
expect rm "$MNT/1/large"
expect cat "$MNT/.baton/version" >"$WORK/out"

expect unmount_batonfs
