#!/bin/bash
# SPDX-License-Identifier: MIT
# Shared mappings are coherent between processes, with read and write, and change the times.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_mmap
cd /
expect unmount_batonfs
