#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: tmpfs-on ext4-on
# A stub that is to be written needs room. Without, nobody gets to write it, and it is what it was; what needs none goes
# on; and when there is room again, so does the rest.
own_namespace_of=$0
. "$TESTS/lib/mount.sh"
own_namespace "$own_namespace_of" "$@"

mkdir "$WORK/small"
if [ "$STORE_KIND" = tmpfs ]; then
	expect mount -t tmpfs -o size=24M none "$WORK/small"
else
	expect truncate -s 48M "$WORK/image"
	expect mkfs.ext4 -q "$WORK/image"
	expect mount -o loop "$WORK/image" "$WORK/small"
fi
STORE=$WORK/small/store
mkdir "$STORE"

mount_batonfs -o dedup=off
expect stub_use fill "$MNT/4711/"{a,b,c}
expect unmount_batonfs
rm -f "$STORE"/ledger.db*
expect stub_use share "$STORE" 4711/{a,b,c}
mount_batonfs -o dedup=off
dd if=/dev/zero of="$MNT/4711/ballast" bs=64K status=none 2>/dev/null && fail "it is not full"

exec 9<"$MNT/4711/a"
expect_errno ENOSPC truncate -s 100000 "$MNT/4711/a"
expect_errno ENOSPC dd if=/dev/zero of="$MNT/4711/a" bs=1 count=1 conv=notrunc status=none
expect_errno ENOSPC truncate -s 100000 "$MNT/4711/b"
expect_errno ENOSPC dd if=/dev/zero of="$MNT/4711/b" bs=1 count=1 conv=notrunc status=none
expect stub_use check "$MNT/4711/a" "$MNT/4711/b" /dev/fd/9
exec 9<&-
expect stub_use check "$MNT/4711/"{a,b,c}
expect mv "$MNT/4711/b" "$MNT/4711/d"
: >"$MNT/4711/c" || fail "cannot empty it" # its content is not wanted
expect_eq 0 "$(stat -c %s "$MNT/4711/c")"

expect rm "$MNT/4711/ballast"
room() {
	truncate -s +1 "$MNT/4711/d" 2>/dev/null
}
wait_until 10 room
expect truncate -s -1 "$MNT/4711/d"
expect stub_use check "$MNT/4711/"{a,d}
expect unmount_batonfs
