#!/bin/bash
# SPDX-License-Identifier: MIT
# Extended attributes and ACLs as on a local filesystem; the store's own attributes do not show.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_xattr marks
cd /
# No labels here: whoever lists is told so once, instead of with each file.
expect_errno EOPNOTSUPP setfattr -n security.selinux -v x "$MNT/4711"
expect_errno EOPNOTSUPP getfattr -n security.selinux "$MNT/4711"
expect unmount_batonfs
