#!/bin/bash
# SPDX-License-Identifier: MIT
# Contents, sizes, holes, copying, times, statfs: as on a local filesystem.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_data
cd /
expect unmount_batonfs
