#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# What the posix tests ask of a file holds for one that began on the disk, too. POSIX_OPTIONS="limit=strict,exec_bytes=8G" for
# others: that refuses FALLOC_FL_KEEP_SIZE, which posix_data says.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

STORE=memory:256M
mkdir "$WORK/spill"
is_short() {
	[ "$(status 'd["spill"]["short"]')" = True ]
}
clean() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}

for options in ${POSIX_OPTIONS-passthrough=on passthrough=off}; do
	mount_batonfs -o "spill=$WORK/spill,high=5%,low=3%,suid,dev,exec,$options"
	mkdir -p "$MNT/1"
	exec 9<>"$MNT/1/hold" # it stays in memory
	head -c 16M /dev/zero >&9
	wait_until 20 is_short
	for t in ${POSIX-data mmap nameless xattr random}; do
		mkdir -p "$MNT/4711/$t"
		cd "$MNT/4711/$t" || fail "cd"
		case $t in
		xattr) expect posix_xattr marks ;;
		random) expect posix_random 300 1 ;;
		*) expect "posix_$t" ;;
		esac
		cd /
	done
	is_short || fail "memory is not short any more"
	[ "$(status 'd["spill"]["begun"]')" -ge 20 ] || fail "few files began on the disk"
	(wait_until 20 clean) >/dev/null || fail "$(cat "$WORK/fsck")"
	exec 9>&-
	unmount_batonfs
done
