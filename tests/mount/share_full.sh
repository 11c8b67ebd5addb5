#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-on
# Without room for another copy nothing is shared; with it, it is. A full store fails who needs a copy of his own, and
# everybody goes on reading what he wrote.
own_namespace_of=$0
. "$TESTS/lib/mount.sh"
own_namespace "$own_namespace_of" "$@"

size=$((4 << 20))

# Leave 9 MiB of a small disk for what comes next: a large file, the small ones and their blob, but no blob of large ones.
take_room() {
	local free

	[ "$STORE_KIND" = ext4 ] || return
	free=$(($(stat -f -c '%a * %S' "$WORK/small")))
	expect fallocate -l $((free - (9 << 20))) "$WORK/small/ballast"
}

stubs() {
	[ "$("$BATON" -m "$MNT" gc --json | sed 's/.*"stubs":\([0-9]*\),.*/\1/')" = "$1" ]
}

head -c $size /dev/urandom >"$WORK/a"
head -c $size /dev/urandom >"$WORK/b"
if [ "$STORE_KIND" = ext4 ]; then
	mkdir "$WORK/small"
	expect truncate -s 64M "$WORK/image"
	expect mkfs.ext4 -q -m 0 "$WORK/image"
	expect mount -o loop "$WORK/image" "$WORK/small"
	STORE=$WORK/small/store
	mkdir "$STORE"
else
	STORE=memory:16M
fi
mount_batonfs -o dedup_min=64K
cp "$WORK/b" "$MNT/1/b" || fail "cp"
cp "$WORK/a" "$MNT/1/f" || fail "cp"
sync -f "$MNT/1/f"
take_room
cp "$WORK/a" "$MNT/2/f" || fail "cp"
head -c 100000 /dev/zero >"$MNT/3/p" && cp "$MNT/3/p" "$MNT/3/q"
wait_until 30 stubs 2 # the small ones, offered after the large ones
for id in 1 2; do
	expect cmp "$WORK/a" "$MNT/$id/f"
done
rm "$MNT/1/b"
wait_until 60 stubs 4 # tried again
expect cmp "$WORK/a" "$MNT/1/f"
dd if=/dev/zero of="$MNT/3/fill" bs=64k 2>/dev/null
for how in '>>' '1<>'; do
	expect_errno ENOSPC bash -c "echo more $how$MNT/1/f"
	for id in 1 2; do
		expect cmp "$WORK/a" "$MNT/$id/f"
	done
done
rm "$MNT/3/fill"
agrees() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck" 2>&1
}
wait_until 20 agrees # the ledger needs room, too, which is there once the kernel has forgotten the file
append() {
	echo more 2>/dev/null >>"$MNT/1/f"
}
wait_until 20 append # the room is there once the kernel has forgotten the file
expect cmp <(cat "$WORK/a"; echo more) "$MNT/1/f"
expect cmp "$WORK/a" "$MNT/2/f"
unmount_batonfs
