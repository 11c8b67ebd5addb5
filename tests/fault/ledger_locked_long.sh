#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# builds: ci
#
# Somebody has the ledger open in a transaction that writes, for longer than an execution lives that is in use all the time;
# then the worker is killed. The next one has its rows only, and knows that they are old.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

TTL=6
END=$WORK/end

# In its own process, until END is there.
lock() {
	python3 - "$STORE/ledger.db" "$WORK/locked" "$END" <<'PYTHON' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w")
while not os.path.exists(sys.argv[3]):
    time.sleep(0.02)
db.execute("ROLLBACK")
PYTHON
	wait_until 10 test -e "$WORK/locked"
}

says_untold() {
	getfattr -n trusted.batonfs.untold "$STORE" >/dev/null 2>&1
}

says_all_told() {
	! says_untold
}

waits() {
	grep -q "another program writes to ledger.db; waiting" "$WORK/daemon.log"
}

# Both are used for more than their time.
use() {
	local until=$((SECONDS + TTL + 3))

	while [ $SECONDS -lt $until ]; do
		[ "$(cat "$MNT/1/file" "$MNT/_/other")" = $'1\n2' ] || fail "gone while it is used"
		sleep 0.2
	done
}

looks() {
	[ "$(sed -n 's/^batonfs_reaper_passes_total //p' "$MNT/.baton/metrics")" -ge 2 ]
}

mount_batonfs -o takeover=on,ttl=${TTL}s
mkdir "$MNT/_"
echo 1 >"$MNT/1/file" && echo 2 >"$MNT/_/other" || fail "write"
lock
use
expect says_untold
kill -KILL "$(worker_pid)"
wait_until 20 waits
touch "$END"
wait_until 20 looks
expect_eq "1 2" "$(cat "$MNT/1/file" "$MNT/_/other" 2>&1 | tr '\n' ' ' | sed 's/ $//')" "after the takeover"
wait_until 10 says_all_told
