#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# builds: ci
#
# Somebody has the ledger open in a transaction that writes. Who uses the mount notices nothing; a worker that is to take it
# over waits for that, and so does a start.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# In its own process, until `let_go`.
lock() {
	python3 - "$STORE/ledger.db" "$WORK" <<'END' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2] + "/locked", "w")
while not os.path.exists(sys.argv[2] + "/let_go"):
    time.sleep(0.02)
db.execute("ROLLBACK")
END
	locker=$!
	wait_until 10 test -e "$WORK/locked"
}

let_go() {
	touch "$WORK/let_go"
	wait $locker
	rm "$WORK/let_go" "$WORK/locked"
}

waits() {
	[ "$(grep -c "another program writes to ledger.db; waiting" "$WORK/daemon.log")" = "$1" ]
}

mount_batonfs -o takeover=on
echo 1 >"$MNT/1/before"
lock
echo 2 >"$MNT/1/meanwhile"
kill -KILL "$(worker_pid)"
cat "$MNT/1/before" "$MNT/1/meanwhile" >"$WORK/read" &
reader=$!
wait_until 20 waits 1
let_go
expect wait $reader
expect_eq "1 2" "$(tr '\n' ' ' <"$WORK/read" | sed 's/ $//')"
expect_sums 1 2 4
unmount_batonfs

lock
mount_batonfs &
mounting=$!
wait_until 20 waits 2
let_go
expect wait $mounting
wait_until 10 is_mounted
mount_pid[$MNT]=$(pgrep -o -f "^$BATONFS $STORE $MNT")
expect_sums 1 2 4
