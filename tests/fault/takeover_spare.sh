#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci asan
#
# A worker in advance waits, and goes on when the one that serves dies. Whatever somebody does to it meanwhile, the mount goes on,
# with it or without.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# It, and none that has just been forked. Two threads: it waits.
spare() {
	pgrep -P "$(daemon_pid)" -x batonfs-spare
}

waits() {
	[ "$(ls "/proc/$(spare)/task" 2>/dev/null | wc -l)" = 2 ]
}

serves() {
	expect_eq "$1" "$(status 'd["takeovers"]')" "takeovers"
	expect_eq kept "$(cat "$MNT/4711/file")"
}

threads_of() {
	cat "/proc/$1"/task/*/comm | sort -u | tr '\n' ' '
}

mount_batonfs -o takeover=on
echo kept >"$MNT/4711/file"
wait_until 30 waits

# ---- it goes on ----

first=$(spare)
expect_eq "batonfs-spare " "$(threads_of "$first")" "threads"
kill -9 "$(worker_pid)"
serves 1
expect_eq "$first" "$(status 'd["worker"]')" "who waited"
expect_eq "$first" "$(worker_pid)"
wait_until 30 waits
[ "$(spare)" != "$first" ] || fail "it waits still"
exec 5<"$MNT/4711/file"
kill -9 "$(worker_pid)"
expect_eq kept "$(cat <&5)" "an open file"
exec 5<&-
serves 2

# ---- somebody means it ----

wait_until 30 waits
kill -9 "$(spare)"
serves 2
kill -9 "$(worker_pid)"
serves 3
wait_until 30 waits
kill -TERM "$(spare)"
kill -USR2 "$(spare)"
kill -9 "$(worker_pid)"
serves 4
expect_eq 0 "$(status 'd["upgrades"]')"
wait_until 30 waits
kill -STOP "$(spare)"
wait_until 10 stopped "$(spare)"
kill -9 "$(worker_pid)"
serves 5

# One that has been killed, and nobody has died since, is replaced as well; not at once, for it may be so for long.
wait_until 30 waits
first=$(spare)
kill -9 "$first"
wait_until 30 waits
[ "$(spare)" != "$first" ] || fail "it is the same"

# ---- another program has its own ----

wait_until 30 waits
first=$(spare)
expect "$BATON" -m "$MNT" upgrade
wait_until 10 gone "$first"
wait_until 30 waits
kill -9 "$(worker_pid)"
serves 6

# ---- the end ----

wait_until 30 waits
first=$(spare)
unmount_batonfs
gone "$first" || fail "it waits still"

mount_batonfs -o takeover=on
wait_until 30 waits
first=$(spare)
kill -9 "$(daemon_pid)"
wait_until 10 gone "$first"
unset "mount_pid[$MNT]"
exit 0
