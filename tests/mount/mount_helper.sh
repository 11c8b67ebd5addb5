#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on memory-on
# mount(8) finds the helper and passes it what stands in fstab, words for others included; umount(8) takes it
# down. mount -f changes nothing.
. "$TESTS/lib/mount.sh"

# Where mount(8) looks for helpers, in a mount namespace of this test's own.
own_namespace
mkdir "$WORK/sbin" "$WORK/overlaywork"
mount -t tmpfs none "$WORK/sbin" || fail "tmpfs"
mkdir "$WORK/sbin/"{upper,work}
ln -s "$BATONFS" "$WORK/sbin/upper/mount.fuse.batonfs"
ln -s "$BATONFS" "$WORK/sbin/upper/umount.fuse.batonfs"
sbin=$(realpath /sbin)
mount -t overlay -o "lowerdir=$sbin,upperdir=$WORK/sbin/upper,workdir=$WORK/sbin/work" none "$sbin" || skip "no overlay here"

source=$STORE
[ "$STORE_KIND" != memory ] || source=memory:100M

ended() {
	! pgrep -f "mount.fuse.batonfs $source $MNT" >/dev/null
}

expect mount -f -t fuse.batonfs "$source" "$MNT" -o ttl=30m
! is_mounted || fail "mount -f has mounted"
mount -t fuse.batonfs "$source" "$MNT" -o ttl=soon 2>"$WORK/said"
expect_eq 1 $? "exit code for a wrong option"
expect_match "option 'ttl=soon'" "$(cat "$WORK/said")"
mount -t fuse.batonfs /nowhere "$MNT" 2>"$WORK/said"
expect_eq 1 $? "exit code for a store that is not there"

expect mount -t fuse.batonfs "$source" "$MNT" \
	-o ttl=30m,noauto,nofail,_netdev,x-systemd.automount,x-systemd.requires=foo.mount,user 2>>"$WORK/daemon.log"
is_mounted || fail "not mounted"
expect_eq 1800.0 "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["ttl"])' "$MNT/.baton/status.json")"
expect_match "^rw,nosuid,nodev,noexec" "$(findmnt -no OPTIONS "$MNT")"
echo x >"$MNT/4711/x" || fail "write"
mount -t fuse.batonfs "$source" "$MNT" 2>"$WORK/said"
expect_eq 32 $? "exit code for a mountpoint in use"
exec 3<"$MNT/4711/x"
umount "$MNT" 2>"$WORK/said"
expect_eq 32 $? "exit code of umount while a file is open"
expect_eq "umount: $MNT: target is busy" "$(cat "$WORK/said")"
exec 3<&-
expect umount "$MNT"
[ "$STORE_KIND" = memory ] || expect flock -n "$STORE/lock" true
wait_until 10 ended
expect_fail umount "$MNT" 2>"$WORK/said"

# Lazily: the helper does not wait for who has a file open.
expect mount -t fuse.batonfs "$source" "$MNT" 2>>"$WORK/daemon.log"
exec 3<"$MNT"
expect umount -l "$MNT"
! is_mounted || fail "still mounted"
exec 3<&-
wait_until 10 ended

# By fstab.
mkdir "$WORK/two words"
printf '%s %s fuse.batonfs noauto,nofail,ttl=2h,ro 0 0\n' "$source" "${WORK// /\\040}/two\\040words" >"$WORK/fstab"
MNT="$WORK/two words"
expect mount -T "$WORK/fstab" "$WORK/two words" 2>>"$WORK/daemon.log"
expect_match "^ro,nosuid,nodev,noexec" "$(findmnt -no OPTIONS "$WORK/two words")"
expect_fail touch "$WORK/two words/x" 2>/dev/null
expect umount "$WORK/two words"
wait_until 10 ended
