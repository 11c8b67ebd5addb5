#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: ext4-on memory-off
# builds: ci
#
# Every system call and every allocation of the daemon, SQLite's and libfuse's as well, fails in turn: clients get an honest
# error or success, nothing that was there is harmed, and the daemon goes on; at the start it says why it does not. Each
# time another part of them; EVERY=1 tests/run --patience 30 for all.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

here=$TESTS/fault
control=$WORK/control
export FAILING_CALLS=$control FAILING=$WORK/failing_calls.so

expect cc -O2 -shared -fPIC -o "$FAILING" "$here/preload/failing_calls.c" -ldl
expect truncate -s 4096 "$control"
all_closed() {
	[ "$(status 'd["open"]')" = 0 ]
}
agrees() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck" 2>&1
}
for kind in calls allocations; do
	LD_PRELOAD=$FAILING mount_batonfs
	expect python3 "$here/every_call.py" requests $kind "$control" "${EVERY:-9}" "$MNT" "$(daemon_pid)"
	# libfuse has no other way to answer a close than by memory that it does not get: who closed then stays.
	[ $kind = allocations ] || wait_until 20 all_closed
	(wait_until 30 agrees) >/dev/null || fail "$kind: fsck: $(cat "$WORK/fsck")"
	unmount_batonfs
done

mount_batonfs
python3 -c 'import random, sys; open(sys.argv[1], "wb").write(random.Random(1).randbytes(70_000))' "$MNT/1/f" || fail "write"
echo 1 >"$MNT/.baton/executions/1/pinned"
unmount_batonfs
[ "$STORE_KIND" = memory ] || for kind in calls allocations; do
	expect python3 "$here/every_call.py" start $kind "$control" "${EVERY:-50}" "$BATONFS" "$STORE" "$MNT"
done
