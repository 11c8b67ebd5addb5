#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-off
# builds: ci
#
# The wall clock is set while files live, by years: nothing goes before its time for that, nor stays for ever, neither
# while the same daemon serves nor after a takeover, nor after a start of the machine with a wrong clock.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

DAY=86400
export CLOCK_STEP=$WORK/step
expect cc -O2 -shared -fPIC -o "$WORK/clock_step.so" "$TESTS/fault/preload/clock_step.c"

# step SECONDS: the wall clock of the daemon is so far from the right one
step() {
	python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.write((int(sys.argv[2]) * 10**9).to_bytes(8, "little", signed=True))' "$CLOCK_STEP" "$1" || fail "step"
}

passes() {
	sed -n 's/^batonfs_reaper_passes_total //p' "$MNT/.baton/metrics"
}

has_passed() {
	[ "$(passes)" -ge "$1" ]
}

# The reaper has looked at all there is since.
reaper_looks() {
	wait_until 20 has_passed $(($(passes) + 2))
}

all_there() {
	expect_eq "a b c" "$(cat "$MNT/a.bin" "$MNT/_/b" "$MNT/1/c" 2>&1 | tr '\n' ' ' | sed 's/ $//')" "$1"
}

printf '\0\0\0\0\0\0\0\0' >"$CLOCK_STEP"
LD_PRELOAD=$WORK/clock_step.so mount_batonfs -o takeover=on,ttl=1h
mkdir "$MNT/_"
echo a >"$MNT/a.bin" && echo b >"$MNT/_/b" && echo c >"$MNT/1/c"

step $((400 * DAY))
reaper_looks
all_there "after a step of the clock into the future"
kill -KILL "$(worker_pid)"
expect_eq 1 "$(status 'd["takeovers"]')" "takeovers"
reaper_looks
all_there "after a takeover behind that"

# What is over goes, though it was made in what seems to be the future.
echo x >"$MNT/x.bin" && echo y >"$MNT/2_y"
expect setfattr -n user.baton.ttl -v 1s "$MNT/x.bin"
expect "$BATON" -m "$MNT" ttl 2 1s
step $((-400 * DAY))
wait_until 20 test ! -e "$MNT/x.bin"
wait_until 20 is_over 2
all_there "after a step into the past"

unmount_batonfs
setfattr -x trusted.batonfs.boot "$STORE" || fail "the store knows no boot"
step $((4000 * DAY))
LD_PRELOAD=$WORK/clock_step.so mount_batonfs -o takeover=on,ttl=1h
reaper_looks
all_there "in a boot whose clock is far ahead"
