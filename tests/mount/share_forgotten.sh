#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# Files are shared also when the kernel has forgotten them, which it may at any moment: between the close and the hash,
# while another of the same content is not written yet, and before a restart.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

size=$((2 << 20))

forget() {
	echo 2 >/proc/sys/vm/drop_caches
}

stubs_are() {
	[ "$("$BATON" -m "$MNT" gc --json | sed 's/.*"stubs":\([0-9]*\),.*/\1/')" = "$1" ]
}

hashed() {
	[ "$(status 'd["seal"]["hashed_files"]')" -ge "$1" ]
}

has_hash() {
	about "$1" xxh3 >/dev/null 2>&1
}

known() {
	status 'd["inodes_known"]'
}

head -c $size /dev/urandom >"$WORK/a"
head -c $size /dev/urandom >"$WORK/b"
mount_batonfs

# The first of two.
cp "$WORK/a" "$MNT/1/f" || fail "cp"
before=$(known)
wait_until 60 hashed 1
forget
[ "$(known)" -lt "$before" ] || fail "nothing is forgotten: $(known) of $before"
cp "$WORK/a" "$MNT/2/f" || fail "cp"
wait_until 60 stubs_are 2

# Both, before they are hashed or right after.
for id in 3 4; do
	cp "$WORK/b" "$MNT/$id/f" || fail "cp"
	forget
done
wait_until 60 stubs_are 4

# A mark that is looked for by whoever opens the file next; who opens it may be the first to know it.
forget
for id in 1 2; do
	expect cmp "$WORK/a" "$MNT/$id/f"
	expect cmp "$WORK/b" "$MNT/$((id + 2))/f"
done
expect_sums 1 1 $size
echo more >>"$MNT/3/f" || fail "append"
expect cmp <(cat "$WORK/b"; echo more) "$MNT/3/f"
expect_sums 3 1 $((size + 5))
expect "$BATON" -m "$MNT" fsck >"$WORK/fsck"

# By name the kernel knows nothing after a start.
head -c $size /dev/urandom >"$WORK/c"
cp "$WORK/c" "$MNT/5/f" || fail "cp"
wait_until 60 has_hash "$MNT/5/f"
unmount_batonfs
if [ "$STORE_KIND" != memory ]; then
	mount_batonfs
	cp "$WORK/c" "$MNT/6/f" || fail "cp"
	wait_until 60 stubs_are 5
	expect cmp "$WORK/c" "$MNT/5/f"
	expect_sums 5 1 $size
	expect "$BATON" -m "$MNT" fsck >"$WORK/fsck"
	unmount_batonfs
fi
