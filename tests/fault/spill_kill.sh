#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on
# builds: ci
# The process that spills is killed between any two steps, and again, and another one takes its place: every file has what
# was written all the time, also when another program takes its place, all of it gets to the disk, and nothing is left there in the end.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

STORE=memory:24M
mkdir "$WORK/spill"
files="1/data 2/data 3/data 4/a 5/a 4/b 5/b" # a and b are shared
for f in data a b; do
	head -c 1000000 /dev/urandom >"$WORK/$f"
done

all_are_whole() {
	local f

	for f in $files; do
		expect cmp -n 1000000 "$WORK/${f#*/}" "$MNT/$f"
	done
}
died() {
	all_are_whole
	[ "$(status 'd["takeovers"]')" -ge 1 ]
}
all_are_spilled() {
	local f

	all_are_whole
	for f in $files; do
		[ "$(about "$MNT/$f" spilled)" = 1 ] || return
	done
}
are_shared() {
	local f

	for f in {4,5}/{a,b}; do
		[ "$(about "$MNT/$f" shared)" = 1 ] || return
	done
}
empty() {
	[ -z "$(ls "$WORK/spill/blobs")" ]
}

# Each process gets further than the one before. Those that come to share are punched, too.
for point in spill-linked:2 punched:6 spill-stub:2 spill-sent:2 spill-unused:2; do
	export BATONFS_FAULT=$point
	mount_batonfs -o "spill=$WORK/spill,takeover=on,dedup_min=64K,hugepages=off"
	unset BATONFS_FAULT
	for i in {1..5}; do
		mkdir -p "$MNT/$i"
		: >"$MNT/$i/mark"
		echo 1 >"$MNT/.baton/executions/$i/pinned"
	done
	for f in $files; do
		cp "$WORK/${f#*/}" "$MNT/$f" || fail cp
		[[ $f != */data ]] || echo "$f" >>"$MNT/$f" # only here
	done
	wait_until 30 are_shared
	expect "$BATON" -m "$MNT" config high=5% low=1%
	wait_until 30 died
	wait_until 30 all_are_spilled
	expect "$BATON" -m "$MNT" upgrade >/dev/null
	all_are_spilled || fail "not on the disk any more"
	for i in {1..5}; do
		release $i
	done
	wait_until 30 empty
	unmount_batonfs
done
