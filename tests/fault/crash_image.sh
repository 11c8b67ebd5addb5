#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: ext4-on xfs-on
# builds: ci
#
# The machine loses its power: what the disk had at a random moment of a load is mounted by a batonfs of another boot. What
# was fsynced is there; everything else is whole, old or new; and files, shared contents and ledger agree. The disk is a
# file on an XFS, whose reflinks take all of it in one moment. CRASHES=200 tests/run --patience 20 for a long one.
own_namespace_of=$0
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
own_namespace "$own_namespace_of" "$@"

here=$TESTS/fault
stubs=0 # seen in all images
log=$WORK/log

# A filesystem in a sparse file. disk SIZE KIND FILE DIRECTORY
disk() {
	mkdir "$4" || exit 1
	expect truncate -s "$1" "$3"
	expect "mkfs.$2" -q "$3"
	expect mount -o loop "$3" "$4"
}

# From now on batonfs believes that the machine was started anew.
next_boot() {
	cat /proc/sys/kernel/random/uuid >"$WORK/boot_id"
}

agrees() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck" 2>&1
}

# What the disk had is looked at in another place.
check_image() {
	local options=loop
	local MNT=$WORK/mnt_after STORE=$WORK/after/store

	[ "$STORE_KIND" = ext4 ] || options+=,nouuid
	expect mount -o "$options" "$WORK/host/image" "$WORK/after"
	next_boot
	mount_batonfs -o "$options_of_both"
	expect python3 "$here/crash_image.py" check "$MNT" "$WORK/before" "$log"
	wait_until 20 agrees
	stubs=$((stubs + $("$BATON" -m "$MNT" gc --json | sed 's/.*"stubs":\([0-9]*\),.*/\1/')))
	expect_eq 1 "$(shown 101 pinned)"
	expect python3 "$here/crash_image.py" check "$MNT" "$WORK/before" "$log" # nothing was mended that was right
	echo x >"$MNT/999_new" || fail "write after the crash"
	unmount_batonfs
	wait_until 10 umount "$WORK/after"
	rm "$WORK/host/image"
}

options_of_both=dedup_min=64K,ttl=never
mkdir "$log" "$WORK/after" "$WORK/mnt_after"
disk 3G xfs "$WORK/host.img" "$WORK/host"
disk 400M "$STORE_KIND" "$WORK/host/disk" "$WORK/disk"
next_boot
expect mount --bind "$WORK/boot_id" /proc/sys/kernel/random/boot_id
STORE=$WORK/disk/store
mkdir "$STORE"
mount_batonfs -o "$options_of_both"
python3 "$here/crash_image.py" load "$MNT" "$log" "$WORK/done" >"$WORK/load.out" 2>&1 &
load=$!
has_begun() {
	[ "$(cat "$log"/* 2>/dev/null | grep -c known)" -gt 20 ]
}
wait_until 30 has_begun
pin() {
	echo 1 2>/dev/null >"$MNT/.baton/executions/101/pinned"
}
wait_until 30 pin # there is nothing to pin while it has no file
for ((i = 0; i < ${CRASHES:-4}; i++)); do
	python3 -c 'import random, time; time.sleep(random.random())'
	cp -r "$log" "$WORK/before" || fail "cp"
	expect cp --reflink=always "$WORK/host/disk" "$WORK/host/image"
	check_image
	rm -r "$WORK/before"
done
: >"$WORK/done"
wait $load || fail "the load: $(cat "$WORK/load.out")"
expect_eq "" "$(cat "$WORK/load.out")"
[ $stubs -gt 0 ] || fail "nothing was shared in any image"
echo "shared files in all images: $stubs"
unmount_batonfs
wait_until 10 umount "$WORK/disk"
wait_until 10 umount "$WORK/host"
