#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# An empty directory of batonfs's making, which lingers for a second, does not stay for a time-to-live if the daemon is
# killed just then; one with something in it does, and one that somebody made.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

listed() {
	ls "$MNT" | tr '\n' ' '
}

shows() {
	[ "$(listed)" = "$1" ]
}

mount_batonfs
echo x >"$MNT/1/x"
mkdir "$MNT/made"
echo x >"$MNT/2/x"
echo x >"$MNT/3/x"
expect setfattr -n user.baton.ttl -v 1h "$MNT/3"
rm "$MNT/2/x" "$MNT/3/x"
kill_batonfs
mount_batonfs
wait_until 20 shows "1 3 made "
echo x >"$MNT/2/again"
expect_eq "1 2 3 made " "$(listed)"
