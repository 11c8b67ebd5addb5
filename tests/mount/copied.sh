#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# A store that was copied file by file, where every file has another inode number, is looked through once: what the ledger
# knew of numbers is not believed, and shared content stays as long as a file has it. One that was only moved is not; that
# may be done while it is mounted, too.
. "$TESTS/lib/mount.sh"

are_shared() {
	"$BATON" -m "$MNT" fsck | grep -q "^4 files, 4 of them share 2 contents: 0 problems$"
}

looked_through() {
	grep -c "the store is a copy" "$WORK/daemon.log"
}

no_blobs() {
	[ -z "$(ls "$STORE/blobs")" ]
}

mount_batonfs -o dedup_min=64K
for i in 1 2; do
	head -c 100000 /dev/urandom >"$WORK/data$i"
	expect cp "$WORK/data$i" "$MNT/$i"
	expect cp "$WORK/data$i" "$MNT/1$i"
done
(wait_until 20 are_shared) >/dev/null || fail "not shared: $("$BATON" -m "$MNT" fsck)"
unmount_batonfs

mv "$STORE" "$STORE.moved"
STORE+=.moved
mount_batonfs
are_shared || fail "moved: $("$BATON" -m "$MNT" fsck)"
unmount_batonfs
expect_eq 0 "$(looked_through)" "times that it was looked through"

expect cp -a "$STORE" "$STORE.copy"
STORE+=.copy
mount_batonfs
(wait_until 10 are_shared) >/dev/null || fail "copied: $("$BATON" -m "$MNT" fsck)"
unmount_batonfs
mount_batonfs
are_shared || fail "mounted again: $("$BATON" -m "$MNT" fsck)"
expect_eq 1 "$(looked_through)" "times that it was looked through"
unmount_batonfs

# Brought back over what there was.
expect cp -a "$STORE" "$STORE.backup"
find "$STORE/tree" -mindepth 1 -delete
expect cp -a "$STORE.backup/tree/." "$STORE/tree"
expect cp -a --remove-destination "$STORE.backup/ledger.db" "$STORE"
mount_batonfs
(wait_until 10 are_shared) >/dev/null || fail "brought back: $("$BATON" -m "$MNT" fsck)"
expect_eq 2 "$(looked_through)" "times that it was looked through"
rm "$MNT"/*/data?
(wait_until 20 no_blobs) >/dev/null || fail "shared content is left"
unmount_batonfs

# Moved while it is mounted: the next worker finds it.
mount_batonfs -o takeover=on
echo x >"$MNT/5/x"
expect mv "$STORE" "$STORE.again"
kill -9 "$(worker_pid)"
expect_eq x "$(cat "$MNT/5/x")"
echo y >"$MNT/5/y" || fail "write after the move"
unmount_batonfs
