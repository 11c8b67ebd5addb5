#!/bin/bash
# SPDX-License-Identifier: MIT
# n8n's way to write a file works in an execution whose directory nobody made, and the directory keeps its
# inode number: while it is virtual, real, gone again, and after the next mount.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

ino() {
	stat -c %i "$1" || fail "stat $1"
}

mount_batonfs

id=4711
was=$(ino "$MNT/$id")
[ "$(python3 -c "print(float($was) == $was)")" = True ] || fail "JavaScript cannot say $was"
for n in 1 2; do
	out=$(node "$TESTS/mount/n8n_write.mjs" "$MNT/$id" "file$n" 3) || fail "node: $out"
	expect_eq "$was" "$out" "inode number"
done
expect_sums $id 2 6291456
expect_eq "$was" "$(ls -di "$MNT/$id" | sed 's/ .*//')"
expect_eq "$was $id" "$(ls -i "$MNT" | grep " $id\$" | sed 's/^ *//')" "in a listing"

expect rm "$MNT/$id/file1" "$MNT/$id/file2"
expect_eq "$was" "$(ino "$MNT/$id")" "empty again"
echo 2 >/proc/sys/vm/drop_caches
expect_eq "$was" "$(ino "$MNT/$id")" "looked up again"
echo x >"$MNT/$id/file"
expect_eq "$was" "$(ino "$MNT/$id")" "made again"

# Who has the directory open while it goes and comes works on.
exec 3<"$MNT/$id"
cd "$MNT/$id" || fail "cd"
expect rm file
expect_eq "" "$(ls -A .)"
echo again >"/proc/self/fd/3/file" || fail "the open directory is dead"
expect_eq again "$(cat "$MNT/$id/file")"
expect_eq "$was" "$(stat -c %i .)"
expect rm "$MNT/$id/file"
echo again >file || fail "the working directory is dead"
expect_eq again "$(cat "$MNT/$id/file")"
exec 3<&-
cd / || fail "cd"

[ "$STORE_KIND" != memory ] || exit 0
unmount_batonfs
mount_batonfs
expect_eq "$was" "$(ino "$MNT/$id")" "after a new mount"
expect rm "$MNT/$id/file"
unmount_batonfs
mount_batonfs
expect_eq "$was" "$(ino "$MNT/$id")" "virtual after a new mount"
