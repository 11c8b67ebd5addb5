#!/bin/bash
# SPDX-License-Identifier: MIT
# Owner, group and mode of what is created, set-id bits, sticky directories: as on a local filesystem.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_owner
cd /
expect unmount_batonfs
