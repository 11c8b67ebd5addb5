#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on memory-off
# builds: ci
#
# takeover=on: the worker is killed in the middle of a request, which the next one is sent again: nothing is counted twice
# or never uncounted, no descriptor is left, and who is refused something is refused it all the same.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

worker() {
	pgrep -n -P "$(daemon_pid)" -x batonfs
}

# killed POINT COMMAND...: it comes to that point, where the worker is killed; at once again if POINT is given as 2POINT.
killed() {
	local point=${1#2} running

	echo "$point" >"$WORK/hang"
	"${@:2}" &
	running=$!
	wait_until 10 test ! -e "$WORK/hang"
	if [ "$point" != "$1" ]; then
		echo "$point" >"$WORK/hang"
		kill -9 "$(worker)"
		wait_until 10 test ! -e "$WORK/hang"
	fi
	kill -9 "$(worker)"
	wait $running
}

is_closed() {
	[ "$(status 'd["open"]')" = 0 ]
}

# Descriptors of files that have no name any more, in the table that guardian and workers share.
nameless() {
	find "/proc/$(daemon_pid)/fd" -lname "*/tree/*(deleted)" | wc -l
}

open_and_close() {
	: <"$1"
}

export BATONFS_FAULT_HANG=$WORK/hang
mount_batonfs -o takeover=on
echo x | tee "$MNT/1/a" >"$MNT/1/b"
wait_until 10 is_closed

# An open is counted as long as somebody has it.
for point in counted uncounts; do
	expect killed $point open_and_close "$MNT/1/a"
	(wait_until 10 is_closed) || fail "$point: counted as open for ever"
done

# What has been removed holds no descriptor once nobody has it, however often that was begun.
exec 3<"$MNT/1/b"
expect killed 2removes unlink "$MNT/1/b"
[ "$(nameless)" -gt 0 ] || fail "nothing keeps what is open without a name"
exec 3<&-
none_is_nameless() {
	[ "$(nameless)" = 0 ]
}
(wait_until 10 none_is_nameless) || fail "$(nameless) descriptors are left"
