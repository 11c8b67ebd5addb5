#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# A ledger that is no ledger any more is set aside under another name, reported, and built anew from the tree;
# one of a newer version is refused and left as it is. The dead mount of the killed daemon is no obstacle.
# expect-log: newer batonfs
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# damaged WHAT: mount over what was done to the ledger of the killed daemon, and look.
damaged() {
	mount_batonfs
	expect_eq replaced "$(status 'd["ledger"]["state"]')" "$1"
	local aside
	aside=$(status 'd["ledger"]["set_aside"]')
	[ -e "$STORE/$aside" ] || [ -e "$aside" ] || fail "$1: not set aside as $aside: $(ls "$STORE")"
	expect_eq "777 1" "$(shown 1 ttl) $(shown 1 pinned)" "$1"
	expect_sums 1 2 4
	expect_eq "two" "$(cat "$MNT/1/b" "$MNT/1/a" | tr -d '\n')" "$1"
	grep -q "set_aside=" "$WORK/daemon.log" || fail "$1: not reported"
	rm -rf "$STORE"/ledger.db.corrupt-*
	kill_batonfs
}

mount_batonfs
echo o >"$MNT/1/a"
echo -n tw >"$MNT/1/b"
echo 777 >"$MNT/.baton/executions/1/ttl"
echo 1 >"$MNT/.baton/executions/1/pinned"
unmount_batonfs # so that the database is in its file, not in its log

size=$(stat -c %s "$STORE/ledger.db")
rm -f "$STORE"/ledger.db-*
truncate -s $((size / 2)) "$STORE/ledger.db"
damaged "cut in half"
rm -f "$STORE"/ledger.db-*
head -c 65536 /dev/urandom >"$STORE/ledger.db"
damaged "noise"
# Nothing at all is a new one, and no damage.
rm -rf "$STORE"/ledger.db*
: >"$STORE/ledger.db"
mount_batonfs
expect_match "new|replaced" "$(status 'd["ledger"]["state"]')"
expect_sums 1 2 4
unmount_batonfs

# Another version's is another version's.
sqlite3 "$STORE/ledger.db" "PRAGMA user_version = 1000" || fail "sqlite3"
before=$(sha256sum <"$STORE/ledger.db")
expect_fail "$BATONFS" "$STORE" "$MNT" 2>>"$WORK/daemon.log"
tail -n 1 "$WORK/daemon.log" | grep -q "newer batonfs" || fail "it said: $(tail -n 1 "$WORK/daemon.log")"
expect_eq "$before" "$(sha256sum <"$STORE/ledger.db")"
expect_fail mountpoint -q "$MNT"
