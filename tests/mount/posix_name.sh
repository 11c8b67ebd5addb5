#!/bin/bash
# SPDX-License-Identifier: MIT
# Renaming, links, special files and names of every kind: as on a local filesystem.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_name
cd /
expect unmount_batonfs
