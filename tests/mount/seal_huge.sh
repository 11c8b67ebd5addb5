#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that streamed into a store in memory end up in huge pages, whoever reads, writes and removes them meanwhile.
# timeout: 120
# variants: memory-on memory-off tmpfs-on
. "$TESTS/lib/mount.sh"

MIB=$((1 << 20))

# What the daemon has collapsed so far.
collapsed() {
	python3 -c 'import json, sys; print(json.load(sys.stdin)["seal"]["collapsed"])' \
		<"$MNT/.baton/status.json"
}

has_collapsed() {
	[ "$(collapsed)" -ge "$1" ]
}

# With passthrough the reader maps the store's pages. Without it the page cache of the mount is its own, so the
# store's are looked at beside it, in the daemon's namespace.
backing() {
	if [ "$STORE_KIND" = memory ]; then
		echo "/proc/$(daemon_pid)/root/run/batonfs/tree/$1"
	else
		echo "$STORE/tree/$1"
	fi
}

reader_sees() {
	local file=$MNT/$1

	[[ $OPTS == *passthrough=off* ]] && file=$(backing "$1")
	expect seal_huge map "$file" "$2" 60
}

mount_batonfs
expect mkdir "$MNT/4711/d"
expect seal_huge write "$MNT/4711/probe" $((2 * MIB)) 65536
if ! (wait_until 20 has_collapsed $((2 * MIB))) >/dev/null; then
	skip "no huge pages on this machine"
fi

# Streamed in pieces.
expect seal_huge write "$MNT/4711/big" $((100 * MIB)) 65536
reader_sees 4711/big 102400
expect seal_huge write "$MNT/4711/odd" $((5 * MIB + 8)) 4096
reader_sees 4711/odd 4096
expect seal_huge map "$MNT/4711/probe" "$([[ $OPTS == *passthrough=off* ]] && echo 0 || echo 2048)" 60

# Small files never take one, tails and holes neither.
expect seal_huge write "$MNT/4711/small" $((2 * MIB - 4096)) 65536
expect dd if=/dev/zero of="$MNT/4711/d/holes" bs=4096 count=1 seek=1000 conv=notrunc status=none
expect truncate -s 64M "$MNT/4711/d/holes" # after: the kernel itself gives huge pages within a known size
expect_eq $((2 * MIB - 4096)) $(($(stat -c %b "$MNT/4711/small") * 512)) "small file"
expect_eq $((5 * MIB + 4096)) $(($(stat -c %b "$MNT/4711/odd") * 512)) "file with a tail"
expect_eq 4096 $(($(stat -c %b "$MNT/4711/d/holes") * 512)) "file with holes"

# Appended to: what is new is collapsed with the next close.
before=$(collapsed)
expect dd if=/dev/zero bs=64K count=64 oflag=append conv=notrunc of="$MNT/4711/probe" status=none
wait_until 60 has_collapsed $((before + 4 * MIB))

# Files that are written, cut, appended to and mapped while it works, and names that come and go.
churners=()
for i in 1 2; do
	seal_huge churn "$MNT/77/c$i" 4 &
	churners+=($!)
done
for i in $(seq 20); do
	expect seal_huge write "$MNT/55/f$i" $((8 * MIB)) $MIB
	case $((i % 4)) in
	0) expect rm "$MNT/55/f$i" ;;
	1) expect mv "$MNT/55/f$i" "$MNT/66_$i" ;;
	2) expect seal_huge map "$MNT/55/f$i" any 0 ;;
	3) echo 1 >"$MNT/.baton/executions/55/release" || fail "release" ;;
	esac
done
for i in "${churners[@]}"; do
	expect wait "$i"
done
for i in 1 5 9 13 17; do
	expect seal_huge map "$MNT/66_$i" any 0
done
expect unmount_batonfs

# The other settings.
mount_batonfs -o hugepages=always
expect seal_huge write "$MNT/4711/big" $((8 * MIB)) 65536
wait_until 60 has_collapsed $((8 * MIB))
expect unmount_batonfs
mount_batonfs -o hugepages=off
expect seal_huge write "$MNT/4711/big2" $((8 * MIB)) 65536
expect seal_huge map "$MNT/4711/big2" any 0
expect_eq 0 "$(collapsed)" "collapsed with hugepages=off"
