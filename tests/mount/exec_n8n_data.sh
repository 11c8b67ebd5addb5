#!/bin/bash
# SPDX-License-Identifier: MIT
# n8n's own binary data is accounted to its execution, but n8n prunes it: neither release nor a
# time-to-live touches it, and what they do to the hand-offs of the same ID does not disturb it.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

data=n8n/binary-data/workflows/w1/executions

mount_batonfs -o ttl=1h

# n8n's first, then the hand-off.
mkdir -p "$MNT/$data/4711/binary_data" && echo n8n >"$MNT/$data/4711/binary_data/x" || fail "cannot write"
echo baton >"$MNT/4711/input.bin" || fail "cannot write"
# And the other way round.
echo baton >"$MNT/4712/input.bin" || fail "cannot write"
mkdir -p "$MNT/$data/4712/binary_data" && echo n8n >"$MNT/$data/4712/binary_data/x" || fail "cannot write"
echo root >"$MNT/n8n/x"

for id in 4711 4712; do
	expect_eq $id "$(exec_of "$MNT/$data/$id/binary_data/x")"
	expect_eq $id "$(exec_of "$MNT/$id/input.bin")"
	expect_eq ttl "$(why $id 'd["now"]["lifetime"]')"
done
expect_eq n8n "$(exec_of "$MNT/n8n/x")"
expect_eq n8n "$(exec_of "$MNT/$data")"
expect_eq never "$(about "$MNT/$data/4711/binary_data/x" expires)"
expect_errno EPERM release n8n

release 4712 || fail "cannot release a hand-off beside n8n's data"
expect "$BATON" -m "$MNT" config ttl=1s >"$WORK/config"
wait_until 20 test ! -e "$MNT/4711/input.bin"
[ ! -e "$MNT/4712/input.bin" ] || fail "released, but there"
expect_eq expired "$(why 4711 'r["reason"]')"
expect_eq released "$(why 4712 'r["reason"]')"
expect_eq "1 6" "$(why 4711 'str(r["files"]) + " " + str(r["bytes"])')"

# n8n goes on with its data.
for id in 4711 4712; do
	expect_eq n8n "$(cat "$MNT/$data/$id/binary_data/x")"
	echo more >"$MNT/$data/$id/binary_data/y" || fail "cannot write n8n's data of $id"
	expect_eq external "$(why $id 'd["now"]["lifetime"]')"
	expect_sums $id 2 9
done
expect rm -r "$MNT/$data/4712"
expect_eq n8n "$(cat "$MNT/$data/4711/binary_data/x")"

# What is moved away is another one's, and the ID has nothing any more.
for to in "$data/4714" kept; do
	mkdir -p "$MNT/$data/4713/binary_data" && echo n8n >"$MNT/$data/4713/binary_data/x" || fail "cannot write"
	expect mv "$MNT/$data/4713" "$MNT/$to"
	expect_sums "${to##*/}" 1 4
	is_over 4713 || fail "4713 is moved to $to, and shown: $("$BATON" -m "$MNT" stat 4713)"
done
expect_eq removed "$(why 4713 'r["reason"]')"
expect rm -r "$MNT/$data/4714"

# Nor is anybody told that it is a matter of rights.
expect_match 'prunes its own data' "$("$BATON" -m "$MNT" pin 4711 2>&1)"
echo x >"$MNT/loose"
expect_match 'expire one by one' "$("$BATON" -m "$MNT" release _ 2>&1)"

# Also after the next mount.
[ "$STORE_KIND" != memory ] || exit 0
unmount_batonfs
mount_batonfs -o ttl=1s
expect_sums 4711 2 9
echo baton >"$MNT/4711/input.bin" || fail "cannot write"
expect_eq ttl "$(why 4711 'd["now"]["lifetime"]')"
wait_until 20 test ! -e "$MNT/4711/input.bin"
expect_eq n8n "$(cat "$MNT/$data/4711/binary_data/x")"
