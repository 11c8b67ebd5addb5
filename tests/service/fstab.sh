#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# A line of fstab: mounted at boot, before whatever needs it; taken down by umount, by systemctl and at
# shutdown, each of which is over only when the daemon has put the store away. An automount is filled when it
# is looked into.
. "$TESTS/lib/service.sh"

machine_prepare
mkdir "$ROOT/var/lib/batonfs" "$ROOT/data/"{auto,idle} "$ROOT/var/lib/"{auto,idle}
cat >"$ROOT/etc/fstab" <<'END'
# The store is on a filesystem of its own, which can be unmounted only when no daemon has it.
store            /var/lib/batonfs  tmpfs         inode64                                     0 0
/var/lib/batonfs /data/tmp         fuse.batonfs  ttl=30m,autodir=off,x-systemd.before=seen.service 0 0
/var/lib/auto    /data/auto        fuse.batonfs  ttl=2h,nofail,x-systemd.automount           0 0
/var/lib/idle    /data/idle        fuse.batonfs  x-systemd.automount,x-systemd.idle-timeout=1s 0 0
memory:10%       /data/memory      fuse.batonfs  noauto,x-mount.mkdir                        0 0
END
cat >"$ROOT/etc/systemd/system/seen.service" <<'END'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cat /data/tmp/.baton/version >/run/seen'
[Install]
WantedBy=sysinit.target
END
mkdir "$ROOT/etc/systemd/system/sysinit.target.wants"
ln -s ../seen.service "$ROOT/etc/systemd/system/sysinit.target.wants/"
machine_boot

store_is_free() {
	on flock -n "$1/lock" true
}

expect_match "^batonfs " "$(on cat /run/seen)" "what a unit saw that is started after the mount"
expect_eq 1800.0 "$(status_of /data/tmp 'd["ttl"]')"
expect_eq "active" "$(on systemctl show -P ActiveState data-tmp.mount)"

on mkdir /data/tmp/4711
for round in 1 2 3 4 5 6 7 8; do
	echo $round | on tee /data/tmp/4711/$round >/dev/null || fail "write"
	expect on umount /data/tmp
	store_is_free /var/lib/batonfs || fail "round $round: umount is done, and the store still in use"
	expect on mount /data/tmp
done
for round in 1 2 3 4 5 6 7 8; do
	expect on umount -i /data/tmp # without our helper, so without waiting
	expect on mount /data/tmp
done
expect_eq "1 2 3 4 5 6 7 8" "$(on ls /data/tmp/4711 | paste -sd' ')"
expect on systemctl restart data-tmp.mount
expect on systemctl stop data-tmp.mount
store_is_free /var/lib/batonfs || fail "the unit is stopped, and the store still in use"
expect on systemctl start data-tmp.mount
expect_eq 1800.0 "$(status_of /data/tmp 'd["ttl"]')"

expect on mount /data/memory
expect_eq memory:10% "$(on findmnt -no SOURCE /data/memory)"
# Whoever has all mounted is not told of what is.
sed -n 's/noauto/nofail/; /\/data\/\(tmp\|memory\) /p' "$ROOT/etc/fstab" >"$ROOT/root/fstab"
expect_eq "/data/tmp : already mounted,/data/memory : already mounted," \
	"$(on mount -a -v -T /root/fstab 2>&1 | tr -s ' ' | tr '\n' ,)" "mount -a"
expect on umount /data/memory

# The first look at an automount makes it, and whoever looks waits for that.
expect_eq autofs "$(on findmnt -no FSTYPE /data/auto)" "before the first look"
expect_eq 7200.0 "$(status_of /data/auto 'd["ttl"]')"
echo kept | on tee /data/auto/4711/file >/dev/null || fail "write"
expect on umount /data/auto
expect_eq kept "$(on timeout 20 cat /data/auto/4711/file)" "after umount and another look"

# Nobody looks into it any more: it goes, with its daemon, and comes again.
echo kept | on tee /data/idle/4711/file >/dev/null || fail "write"
wait_until 20 eval '! on grep -q " /data/idle fuse.batonfs " /proc/self/mounts'
expect_eq kept "$(on timeout 10 cat /data/idle/4711/file)" "after it was unmounted for being idle"

# The store's filesystem could be unmounted: the daemon was gone by then.
machine_reboot
expect_eq 1800.0 "$(status_of /data/tmp 'd["ttl"]')" "after a reboot"
expect_eq kept "$(on timeout 20 cat /data/auto/4711/file)" "after a reboot"
expect_eq clean "$(status_of /data/auto 'd["ledger"]["state"]')" "ledger after a reboot"
