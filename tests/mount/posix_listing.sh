#!/bin/bash
# SPDX-License-Identifier: MIT
# Listings of 5000 files are complete and agree, also while the directory changes.
# timeout: 120
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix"
cd "$MNT/4711/posix" || fail "cd"
expect posix_listing
cd /
expect unmount_batonfs
