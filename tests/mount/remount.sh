#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on
# A store can be mounted again at once: the new daemon waits for the one that is going down, and says so. It
# does not wait for one that is mounted, nor for ever.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

for round in $(seq 20); do
	mount_batonfs
	for i in $(seq 50); do
		echo "$round" >"$MNT/$round/$i"
	done
	wait_until 10 fusermount3 -u "$MNT"
done
mount_batonfs
expect_eq "50" "$(cat "$MNT/20/"* | grep -c 20)"
expect unmount_batonfs

# A directory of batonfs's making that was left empty just before does not come back.
mount_batonfs
echo x >"$MNT/4711/x"
rm "$MNT/4711/x"
expect unmount_batonfs
mount_batonfs
[[ " $(ls "$MNT" | tr '\n' ' ') " != *" 4711 "* ]] || fail "an empty directory was left behind"
expect unmount_batonfs

# One that is held up on its way down.
mount_batonfs
mapfile -t first < <(daemon_pids)
stop_batonfs
wait_until 10 fusermount3 -uz "$MNT"
"$BATONFS" "$STORE" "$MNT" 2>"$WORK/said" &
second=$!
wait_until 10 grep -q "is going down; waiting for it" "$WORK/said"
expect kill -CONT "${first[@]}"
expect wait $second
expect_eq 20 "$(cat "$MNT/20/1")"
unset "mount_pid[$MNT]"
second=$(status 'd["pid"]')
wait_until 10 fusermount3 -u "$MNT"
wait_until 10 gone "$second"
grep -q "error: " "$WORK/said" && fail "it said: $(cat "$WORK/said")"

# In use by one that is mounted: no waiting.
mount_batonfs
mkdir "$WORK/other"
"$BATONFS" "$STORE" "$WORK/other" 2>"$WORK/said"
expect_eq 1 $? "exit code"
expect_eq 1 "$(wc -l <"$WORK/said")" "lines: $(cat "$WORK/said")"
expect unmount_batonfs
