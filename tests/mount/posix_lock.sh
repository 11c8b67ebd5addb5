#!/bin/bash
# SPDX-License-Identifier: MIT
# flock, POSIX and open-file-description locks between processes; death releases them.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_lock
cd /
expect unmount_batonfs
