#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-on
# What cannot be mounted is refused by one line that names the thing and the cure, with the exit code that is
# documented; nothing is left mounted, nothing changed in the store.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mkdir "$WORK/empty" "$WORK/foreign" "$WORK/mine"
echo precious >"$WORK/foreign/file"

snapshot() {
	find "$1" ! -type d -printf '%p %y %m %u %s %T@ %l\n' -o -printf '%p %y %m %u\n' | sort
	find "$1" -type f -exec md5sum {} + | sort
}

mounts() {
	grep fuse.batonfs /proc/self/mounts | grep -c -e " ${WORK%/work}/" -e " / "
}

# refuses CODE REGEX COMMAND...
refuses() {
	local code=$1 regex=$2 said status before
	shift 2
	before=$(mounts)
	said=$(timeout 20 "$@" 2>&1 </dev/null)
	status=$?
	expect_eq "$code" $status "exit code of: $* ($said)"
	expect_eq 1 "$(wc -l <<<"$said")" "lines said by: $*: $said"
	expect_match "^batonfs: (error: )?.*$regex" "$said" "said by: $*"
	expect_eq "$before" "$(mounts)" "mounts after: $*"
}

# The command line.
for mode in "" -f; do
	refuses 2 "unknown option 'colour'" "$BATONFS" $mode -o colour=red "$WORK/empty" "$MNT"
	refuses 2 'baton config' "$BATONFS" $mode -o remount,ttl=5m "$WORK/empty" "$MNT"
	refuses 2 "unknown option '--colour'" "$BATONFS" $mode --colour "$WORK/empty" "$MNT"
	refuses 2 "unknown option '--ttl=5m'; it is written: -o ttl=5m" "$BATONFS" $mode --ttl=5m "$WORK/empty" "$MNT"
	refuses 2 "usage: batonfs --clear MOUNTPOINT" "$BATONFS" $mode --clear
	refuses 2 "memori:1G does not exist; .*memory:SIZE" "$BATONFS" $mode memori:1G "$MNT"
	refuses 2 "unknown option '-x'" "$BATONFS" $mode -x "$WORK/empty" "$MNT"
	for bad in soon -1 0 1y 1e5 '' ' ' 999999d; do
		refuses 2 "ttl.*30m" "$BATONFS" $mode -o "ttl=$bad" "$WORK/empty" "$MNT"
	done
	refuses 2 "autodir=maybe.*on\|off" "$BATONFS" $mode -o autodir=maybe "$WORK/empty" "$MNT"
	refuses 2 "passthrough=1.*auto\|off\|on" "$BATONFS" $mode -o passthrough=1 "$WORK/empty" "$MNT"
	refuses 2 "threads=65" "$BATONFS" $mode -o threads=65 "$WORK/empty" "$MNT"
	refuses 2 "umask=999" "$BATONFS" $mode -o umask=999 "$WORK/empty" "$MNT"
	refuses 2 "uid=root" "$BATONFS" $mode -o uid=root "$WORK/empty" "$MNT"
	refuses 2 "ro=2.*on\|off" "$BATONFS" $mode -o ro=2 "$WORK/empty" "$MNT"
	refuses 2 "usage" "$BATONFS" $mode
	refuses 2 "mountpoint missing" "$BATONFS" $mode "$WORK/empty"
	refuses 2 "unexpected argument 'third'" "$BATONFS" $mode "$WORK/empty" "$MNT" third
	refuses 2 "needs a value" "$BATONFS" $mode "$WORK/empty" "$MNT" -o

	# Sizes.
	for bad in 0 x 10X 101% -1 12Q % 1023; do
		refuses 2 "memory:$bad: .*" "$BATONFS" $mode "memory:$bad" "$MNT"
	done
	refuses 2 "memory:9999T: more than the" "$BATONFS" $mode memory:9999T "$MNT"

	# Stores.
	refuses 2 "$WORK/none does not exist; .*mkdir" "$BATONFS" $mode "$WORK/none" "$MNT"
	refuses 2 "$WORK/foreign/file" "$BATONFS" $mode "$WORK/foreign/file" "$MNT"
	refuses 2 "$WORK/foreign is neither empty nor.*empty directory" "$BATONFS" $mode "$WORK/foreign" "$MNT"

	# Mountpoints.
	refuses 2 "$WORK/none does not exist; .*mkdir" "$BATONFS" $mode "$WORK/empty" "$WORK/none"
	refuses 2 "$WORK/foreign/file is not a directory" "$BATONFS" $mode "$WORK/empty" "$WORK/foreign/file"
	refuses 2 "$WORK/empty is below the mountpoint $WORK" "$BATONFS" $mode "$WORK/empty" "$WORK"
	refuses 2 "$WORK/empty is below the mountpoint $WORK/empty" "$BATONFS" $mode "$WORK/empty" "$WORK/empty"
	refuses 2 "$WORK/empty is below the mountpoint /" "$BATONFS" $mode "$WORK/empty" /
done
expect_eq "" "$(ls -A "$WORK/empty")" "an empty directory is not made a store before all is checked"
expect_eq "755 755" "$(stat -c %a "$WORK/empty" "$WORK/foreign" | paste -sd' ')"
expect_eq "precious" "$(cat "$WORK/foreign/file")"

# In use: the store by another daemon, the mountpoint by a batonfs.
STORE=$WORK/mine mount_batonfs
echo kept >"$MNT/4711/file"
refuses 1 "$WORK/mine is in use by another batonfs" "$BATONFS" "$WORK/mine" "$WORK/empty"
refuses 1 "a batonfs is mounted there already; .*umount $MNT" "$BATONFS" "$WORK/foreign" "$MNT"
unmount_batonfs

# Without privilege, without the device, without the right to write.
snapshot "$WORK/mine" >"$WORK/before"
chmod 755 "$WORK"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
refuses 1 "run batonfs as root" "${nobody[@]}" "$BATONFS" "$WORK/mine" "$MNT"
refuses 1 "run batonfs as root" "${nobody[@]}" "$BATONFS" memory:10M "$MNT"
uncap=(setpriv --bounding-set -sys_admin --inh-caps -sys_admin)
refuses 1 "run batonfs as root.*CAP_SYS_ADMIN" "${uncap[@]}" "$BATONFS" "$WORK/empty" "$MNT"
refuses 1 "run batonfs as root.*CAP_SYS_ADMIN" "${uncap[@]}" "$BATONFS" memory:10M "$MNT"
refuses 1 "/dev/fuse is not there; .*modprobe fuse.*--device /dev/fuse" \
	unshare -m sh -c 'mount -t tmpfs none /dev && exec "$@"' sh "$BATONFS" "$WORK/mine" "$MNT"
refuses 1 "$WORK/mine.*Read-only file system" \
	unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"' \
	"$WORK/mine" "$BATONFS" "$WORK/mine" "$MNT"
snapshot "$WORK/mine" | diff "$WORK/before" - || fail "the store has changed"
refuses 1 "$WORK/empty.*Read-only file system" \
	unshare -m sh -c 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"' \
	"$WORK/empty" "$BATONFS" "$WORK/empty" "$MNT"
expect_eq "" "$(ls -A "$WORK/empty")" "an empty directory"

# A filesystem without file handles.
mkdir "$WORK/lower" "$WORK/upper" "$WORK/overlaywork" "$WORK/overlay"
if mount -t tmpfs none "$WORK/lower" && mkdir "$WORK/lower/"{l,u,w,m} &&
	mount -t overlay -o "lowerdir=$WORK/lower/l,upperdir=$WORK/lower/u,workdir=$WORK/lower/w" none "$WORK/overlay" 2>/dev/null; then
	refuses 2 "$WORK/overlay: its filesystem \(overlay\) .*ext4, XFS" "$BATONFS" "$WORK/overlay" "$MNT"
	expect_eq "" "$(ls -A "$WORK/overlay")"
	umount "$WORK/overlay"
fi
umount "$WORK/lower"

# Of a newer version: the store, and the ledger in it.
for what in store ledger; do
	rm -rf "$WORK/newer" && cp -a "$WORK/mine" "$WORK/newer"
	if [ $what = store ]; then
		echo "batonfs store, format 99" >"$WORK/newer/lock"
	else
		sqlite3 "$WORK/newer/ledger.db" "PRAGMA user_version = 99"
	fi
	snapshot "$WORK/newer" >"$WORK/before"
	refuses 2 "$WORK/newer.*newer batonfs" "$BATONFS" "$WORK/newer" "$MNT"
	snapshot "$WORK/newer" | diff "$WORK/before" - || fail "the $what of a newer version has changed"
done
echo "something else" >"$WORK/newer/lock"
refuses 2 "$WORK/newer/lock is not a batonfs store's" "$BATONFS" "$WORK/newer" "$MNT"

# The store is as good as before.
STORE=$WORK/mine mount_batonfs
expect_eq kept "$(cat "$MNT/4711/file")"
