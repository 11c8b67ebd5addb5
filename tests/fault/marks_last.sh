#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on xfs-on ext4-off
# What was set by hand outlives the daemon's death, and the ledger's: times of executions and of files, pins.
# Who made an execution, and when it was last used, outlives the daemon.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

check() {
	local what=$1
	expect_sums 1 1 2
	expect_eq "777 1" "$(shown 1 ttl) $(shown 1 pinned)" "$what"
	expect_eq "never 0" "$(shown 2 ttl) $(shown 2 pinned)" "$what"
	expect_eq "3600 0" "$(shown 3 ttl) $(shown 3 pinned)" "$what"
	expect_eq 55 "$(about "$MNT/3/file" ttl)" "$what"
	expect_eq 66 "$(about "$MNT/loose" ttl)" "$what"
	expect_eq 1 "$(shown 4 pinned)" "flat files: $what"
	expect_eq "3600 0" "$(shown 5 ttl) $(shown 5 pinned)" "undone: $what"
}

mount_batonfs
for id in 1 2 3 5; do
	run_as 1000 sh -c "echo x >$MNT/$id/file" || fail "write"
done
run_as 1000 sh -c "echo x >$MNT/4_flat" || fail "write"
echo x >"$MNT/loose"
echo 777 >"$MNT/.baton/executions/1/ttl"
echo 1 >"$MNT/.baton/executions/1/pinned"
expect setfattr -n user.baton.ttl -v never "$MNT/2"
expect setfattr -n user.baton.ttl -v 55 "$MNT/3/file"
expect setfattr -n user.baton.ttl -v 66 "$MNT/loose"
expect setfattr -n user.baton.pinned -v 1 "$MNT/4_flat"
expect setfattr -n user.baton.ttl -v 777 "$MNT/5/file"
expect setfattr -n user.baton.ttl -v default "$MNT/5/file"
echo 777 >"$MNT/.baton/executions/5/ttl" && echo default >"$MNT/.baton/executions/5/ttl"
echo 1 >"$MNT/.baton/executions/5/pinned" && echo 0 >"$MNT/.baton/executions/5/pinned"
owner=$(shown 1 owner)
created=$(why 1 'd["now"]["created"]')
check "at once"

unmount_batonfs
mount_batonfs
check "after an unmount"
expect_eq clean "$(status 'd["ledger"]["state"]')"
expect_eq "$owner $created" "$(shown 1 owner) $(why 1 'd["now"]["created"]')"

echo 1 >"$MNT/.baton/executions/1/pinned" # seen by the ledger, which may not have been written yet
kill_batonfs
mount_batonfs
check "after kill -9"
expect_eq unclean "$(status 'd["ledger"]["state"]')"
expect_eq "$owner $created" "$(shown 1 owner) $(why 1 'd["now"]["created"]')"

kill_batonfs
rm -f "$STORE"/ledger.db*
mount_batonfs
check "without a ledger"
expect_eq new "$(status 'd["ledger"]["state"]')"
expect_match "^1000 1000 0 " "$(shown 1 owner) "

unmount_batonfs
mount_batonfs
check "and after the next one"
expect_eq clean "$(status 'd["ledger"]["state"]')"
