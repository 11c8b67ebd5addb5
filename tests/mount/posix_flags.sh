#!/bin/bash
# SPDX-License-Identifier: MIT
# chattr's flags as on a local filesystem; in a directory store also after the next mount.
. "$TESTS/lib/mount.sh"

mount_batonfs -o suid,dev,exec
expect mkdir -p "$MNT/4711/posix" "$MNT/4711/kept"
cd "$MNT/4711/posix" || fail "cd"
posix_flags
status=$?
[ $status -ne 77 ] || { cd /; unmount_batonfs; skip "no flags on $STORE_KIND"; }
expect_eq 0 $status "exit status of posix_flags"
if [ "$STORE_KIND" = ext4 ]; then # that takes a right, which the daemon has
	expect touch journalled
	expect chown 1000 journalled
	expect_errno EPERM run_as 1000 chattr +j journalled
	expect run_as 1000 chattr +d journalled
fi
if [ "$STORE_KIND" != memory ]; then
	cd "$MNT/4711/kept" || fail "cd"
	expect posix_flags leave
	cd /
	expect unmount_batonfs
	mount_batonfs -o suid,dev,exec
	cd "$MNT/4711/kept" || fail "cd"
	expect posix_flags check
fi
cd /
expect unmount_batonfs
