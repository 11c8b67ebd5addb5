#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-on
# All contents have the same hash: those that are the same share, no other ones do.
. "$TESTS/lib/mount.sh"

size=1100000

stubs() {
	[ "$("$BATON" -m "$MNT" gc --json | sed 's/.*"stubs":\([0-9]*\),.*/\1/')" = "$1" ]
}

for c in a b c d; do
	head -c $size /dev/urandom >"$WORK/$c"
done
BATONFS_FAULT_HASH=0 mount_batonfs -o dedup=mount
for c in a b c d; do
	cp "$WORK/$c" "$MNT/1/$c"
done
for c in a b c; do
	cp "$WORK/$c" "$MNT/2/$c"
done
wait_until 30 stubs 6
for c in a b c; do
	expect cmp "$WORK/$c" "$MNT/1/$c"
	expect cmp "$WORK/$c" "$MNT/2/$c"
done
expect cmp "$WORK/d" "$MNT/1/d"
expect "$BATON" -m "$MNT" fsck >"$WORK/fsck"
unmount_batonfs
