#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# waits: a round that gets no CPU
# What nobody shares any more goes soon also where the machine is so busy that looking for it took long: that time was not
# the thread's, so others need not be spared it.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

blobs() {
	ls "/proc/$(daemon_pid)/root/run/batonfs/blobs"
}
some() {
	[ -n "$(blobs)" ]
}
none() {
	[ -z "$(blobs)" ]
}

# shared_and_gone ID: two files come to share a blob, and go.
shared_and_gone() {
	head -c 300000 /dev/urandom >"$WORK/f"
	cp "$WORK/f" "$MNT/$1/a" && cp "$WORK/f" "$MNT/$1/b" || fail "cp"
	wait_until 60 some
	release "$1"
}

export BATONFS_FAULT_WAIT=$WORK/wait
mount_batonfs -o dedup_min=64K
echo garbage-looks >"$WORK/wait"
shared_and_gone 1
begin=$SECONDS
took_long() {
	[ $((SECONDS - begin)) -ge 4 ] # of which a tick may be before the round
}
wait_until 20 took_long
rm "$WORK/wait"
wait_until 20 none

shared_and_gone 2
wait_until 20 none
