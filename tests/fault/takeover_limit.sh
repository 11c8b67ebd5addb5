#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# takeover=on, with limits: what had been done when the worker was killed is not refused by the next one, whose sums have it
# already.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

counts() {
	grep -c "reconciled the ledger" "$WORK/daemon.log"
}

has_counted_since() {
	[ "$(counts)" -gt "$1" ]
}

# killed POINT COMMAND...: the worker is killed when it comes to that point. The next one serves what it is sent again when it
# has counted the files.
killed() {
	local running before

	echo "$1" >"$WORK/hang"
	"${@:2}" &
	running=$!
	wait_until 10 test ! -e "$WORK/hang"
	before=$(counts)
	echo again >"$WORK/wait"
	kill -9 "$(worker_pid)"
	wait_until 10 has_counted_since "$before"
	rm "$WORK/wait"
	wait $running
}

export BATONFS_FAULT_HANG=$WORK/hang BATONFS_FAULT_WAIT=$WORK/wait
mount_batonfs -o takeover=on,exec_files=3
touch "$MNT/1/a" "$MNT/1/b" "$MNT/2/a" "$MNT/2/b" "$MNT/3/a"
expect killed created touch "$MNT/1/c"
expect_errno EDQUOT touch "$MNT/1/d"
expect_sums 1 3 0
expect killed linked ln "$MNT/3/a" "$MNT/2/c"
expect killed removed rm "$MNT/1/a"
expect_sums 1 2 0

# What the next one is asked first is to remove a file, or to put another one in its place.
touch "$MNT/4/a" "$MNT/4/b" "$MNT/4/c"
for last in 2 1; do
	before=$(counts)
	kill -9 "$(worker_pid)"
	expect_sums 4 $((last + 1)) 0
	wait_until 10 has_counted_since "$before"
	[ $last = 2 ] && expect rm "$MNT/4/a"
	[ $last = 1 ] && expect mv "$MNT/4/b" "$MNT/4/c"
	expect_sums 4 $last 0
done
