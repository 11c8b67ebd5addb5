#!/bin/bash
# SPDX-License-Identifier: MIT
# Who waits for the hash of a large file can be killed, at its turn or behind another one, and keeps nobody waiting who
# asks for that of a small one. What nobody waits for any more is not hashed to its end.
# variants: memory-on ext4-off
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# ask FILE: in the background; its process id in $asker.
ask() {
	getfattr -n user.baton.xxh3 "$1" >/dev/null 2>&1 &
	asker=$!
	wait_until 20 waits "$asker"
}

waits() {
	grep -q request_wait_answer "/proc/$1/wchan"
}

kill_asker() {
	kill -9 "$1"
	wait_until 20 gone "$1"
	wait "$1"
	expect_eq 137 $? "status"
}

hashed() {
	status 'd["seal"]["hashed_bytes"]'
}

mount_batonfs -o hash=asked
for name in first second; do
	expect truncate -s 60G "$MNT/4711/$name" # seconds
done
echo hello >"$MNT/4711/small"
ask "$MNT/4711/first"
first=$asker
ask "$MNT/4711/second"
second=$asker
expect_eq "$(seal_sum of "$MNT/4711/small")" "$(about "$MNT/4711/small" xxh3)" "hash of the small one"
kill_asker "$second"
waits "$first" || fail "the first one was answered"
kill_asker "$first"
expect_eq 6 "$(hashed)" "bytes hashed"
ask "$MNT/4711/first"
kill_asker "$asker"
expect unmount_batonfs # at once, too
