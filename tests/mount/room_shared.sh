#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: tmpfs-on ext4-on
# timeout: 120
# Room that is taken by shared contents: it is given back when the last of those who share it has gone, and what was
# enough is not followed by more.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/small.sh"

stubs() {
	"$BATON" -m "$MNT" gc --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["stubs"])'
}

stubs_are() {
	[ "$(stubs)" = "$1" ]
}

share_is_below() {
	[ "$(in_use_share)" -le "$1" ]
}

small_store "$([ "$STORE_KIND" = ext4 ] && echo 112 || echo 96)"
mount_batonfs -o hugepages=off
log=$WORK/daemon.log

write_file "$MNT/1/data" 24
cp "$MNT/1/data" "$MNT/2/data"
wait_until 60 stubs_are 2 # not before: both and what they will share are nearly too much
expect "$BATON" -m "$MNT" config high=80% low=60%
for i in 3 4 5; do
	head -c 16M /dev/urandom >"$MNT/$i/data"
done
head -c 12M /dev/urandom >"$MNT/6/data"
wait_until 30 share_is_below 70
is_over 1 || fail "1 is left"
is_over 2 || fail "2 is left, whose content 1 shared"
for i in 4 5 6; do
	is_real $i || fail "execution $i is gone: more than was needed"
done
expect_fail grep "evicted execution=[456]" "$log"
