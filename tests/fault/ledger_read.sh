#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# builds: ci
#
# Somebody reads the ledger and does not end that. What is written meanwhile stays in its log: the daemon's log says so, once
# until it has doubled, and again when it has been small in between.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# In its own process, until `let_go`.
read_ledger() {
	python3 - "$STORE/ledger.db" "$WORK" <<'END' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM file").fetchall()
open(sys.argv[2] + "/reads", "w")
while not os.path.exists(sys.argv[2] + "/let_go"):
    time.sleep(0.02)
db.execute("ROLLBACK")
END
	reader=$!
	wait_until 10 test -e "$WORK/reads"
}

let_go() {
	touch "$WORK/let_go"
	wait $reader
	rm "$WORK/let_go" "$WORK/reads"
}

# told TIMES: that it has grown.
told() {
	[ "$(grep -c "ledger.db-wal has grown to .* MiB" "$WORK/daemon.log")" = "$1" ]
}

# An operation, and the log is small again, if it can be.
is_small() {
	touch "$MNT/4711_$RANDOM"
	[ "$(stat -c %s "$STORE/ledger.db-wal")" -le $((16 << 20)) ]
}

mount_batonfs
touch "$MNT/4711_x"
read_ledger
expect truncate -s 65M "$STORE/ledger.db-wal" # what is behind the last page says nothing
wait_until 5 told 1
expect truncate -s 100M "$STORE/ledger.db-wal"
touch "$MNT/4711_y"
sleep 2
told 1 || fail "told again: $(tail -n 2 "$WORK/daemon.log")"
expect truncate -s 131M "$STORE/ledger.db-wal"
wait_until 5 told 2
grep -q "^batonfs_ledger_wal_bytes $((131 << 20))$" "$MNT/.baton/metrics" || fail "metric: $(grep wal "$MNT/.baton/metrics")"
let_go
unmount_batonfs
mount_batonfs
(wait_until 20 is_small) >/dev/null || fail "the log has $(stat -c %s "$STORE/ledger.db-wal") bytes"
sleep 1
expect truncate -s 65M "$STORE/ledger.db-wal"
wait_until 5 told 3
expect "$BATON" -m "$MNT" fsck
unmount_batonfs
