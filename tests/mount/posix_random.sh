#!/bin/bash
# SPDX-License-Identifier: MIT
# Thousands of random operations on a file do to it what they do to an array.
# timeout: 120
. "$TESTS/lib/mount.sh"

steps=4000
[ -z "$SANITIZER" ] || steps=1000
mount_batonfs
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
for seed in 1 2 3 4; do
	expect posix_random $steps $seed
done
cd /
expect unmount_batonfs
