#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# builds: ci
#
# takeover=on, and a disk that is busy: who waits for another worker, after a kill or for an upgrade, does not wait for the disk.
# The ledger agrees with the tree all the same: after an upgrade at once, and at the next start without a look at the tree.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

export GATE=$WORK/gate
expect cc -O2 -shared -fPIC -o "$WORK/closed_gate.so" "$TESTS/fault/preload/closed_gate.c" -ldl

# answers WHAT: a request is answered, and something is made.
answers() {
	timeout 60 touch "$MNT/1/$1" || fail "$1: who waited for another worker waits for the disk"
}

LD_PRELOAD=$WORK/closed_gate.so mount_batonfs -o takeover=on
echo one >"$MNT/1/one"
touch "$GATE"

worker=$(worker_pid)
kill -9 "$worker"
answers killed
kill -9 "$(worker_pid)"
answers killed_again
expect_eq 2 "$(status 'd["takeovers"]')" "workers that died"

rm "$GATE"
reconciled() {
	[ "$(grep -c reconciled "$WORK/daemon.log")" = "$1" ]
}
wait_until 30 reconciled 2
touch "$GATE"
timeout 60 "$BATON" -m "$MNT" upgrade >"$WORK/said" 2>&1 || fail "upgrade: $(cat "$WORK/said")"
answers upgraded
expect_eq 1 "$(status 'd["upgrades"]')" "upgrades"
expect_eq clean "$(status 'd["ledger"]["state"]')" "the ledger after an upgrade"
worker=$(worker_pid)
kill -9 "$worker"
answers killed_then
expect_eq unclean "$(status 'd["ledger"]["state"]')" "the ledger after a kill"

rm "$GATE"
wait_until 30 reconciled 3
unmount_batonfs
mount_batonfs -o takeover=on
expect_eq clean "$(status 'd["ledger"]["state"]')" "the ledger at the next start"
expect_eq "killed killed_again killed_then one upgraded" "$(ls "$MNT/1" | xargs)" "what was made"
