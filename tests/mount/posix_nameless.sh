#!/bin/bash
# SPDX-License-Identifier: MIT
# What has no name any more works on: O_TMPFILE, unlinked open files, removed directories.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_nameless
cd /
expect unmount_batonfs
