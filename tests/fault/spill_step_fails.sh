#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on
# builds: ci
# Each step on which content moves to the disk, comes back, or begins there fails as on a full or a broken disk: all files
# read whole, nothing is left over that fsck would find, and work goes on. MORE=1 for more steps.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/fail.sh"

STORE=memory:24M
f=$MNT/1/f
mkdir "$WORK/spill"
head -c 1000000 /dev/urandom >"$WORK/data"

passed() {
	(wait_until 20 has_failed) >/dev/null || fail "$point is not passed"
}
whole() {
	cmp "$WORK/data" "$f" || fail "$point"
	[ "$(stat -c %s "$f")" = 1000000 ] || fail "$point: size"
}
clean() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}
is_clean() {
	whole
	(wait_until 20 clean) >/dev/null || fail "$point: $(cat "$WORK/fsck")"
	whole
}
spilled() {
	[ "$(about "$f" spilled)" = 1 ]
}
short_is() {
	[ "$(status 'd["spill"]["short"]')" = "$1" ]
}
memory_is_short() {
	"$BATON" -m "$MNT" config high=3% low=1% >/dev/null || fail config
}
memory_is_not() {
	"$BATON" -m "$MNT" config high=95% low=90% >/dev/null || fail config
	wait_until 20 short_is False
}

mount_batonfs -o "spill=$WORK/spill,high=95%,low=90%,hugepages=off"
mkdir -p "$MNT/1"
: >"$MNT/1/mark"
echo 1 >"$MNT/.baton/executions/1/pinned"

# ---- while it moves there ----
# After one of compare, blob-make and blob-sync the directory is left alone for two seconds.
for call in ${MORE:+"compare EIO" "blob-sync EIO" "blob-make ENOSPC"} "mark ENOSPC" "punch EIO"; do
	cp "$WORK/data" "$f" || fail cp
	# shellcheck disable=SC2086
	fail_at $call 1
	memory_is_short
	passed
	whole
	work_again
	(wait_until 20 spilled) >/dev/null || fail "$point: not on the disk afterwards"
	is_clean
	memory_is_not
	rm "$f"
done

# ---- while it comes back ----
cp "$WORK/data" "$f"
for call in "mark EIO" "copy EIO" "unmark EIO" ${MORE:+"copy ENOSPC"}; do
	memory_is_short
	wait_until 20 spilled
	memory_is_not
	# shellcheck disable=SC2086
	fail_at $call
	(echo more >>"$f") 2>/dev/null && truncate -s 1000000 "$f"
	has_failed || fail "$point is not passed"
	whole
	work_again
	is_clean
	cp "$WORK/data" "$f"
done

# ---- while it begins there ----
exec 9<>"$MNT/1/hold"
head -c 2M /dev/zero >&9
memory_is_short
wait_until 20 short_is True
for call in "draft-make ENOSPC" "draft-make EIO" "mark EIO" "draft-tell EIO"; do
	rm "$f"
	# shellcheck disable=SC2086
	fail_at $call
	expect cp "$WORK/data" "$f" # if it cannot, in memory
	passed
	whole
	work_again
	is_clean
done
rm "$f"
expect cp "$WORK/data" "$f"
spilled || fail "it begins in memory"
fail_at draft-cut EIO
expect_errno EIO truncate -s 1000 "$f"
has_failed || fail "$point is not passed"
work_again
is_clean
exec 9>&-
memory_is_not
fail_at unmark EIO
(: >"$f") 2>/dev/null && fail "cut in spite of EIO"
has_failed || fail "$point is not passed"
work_again
is_clean
expect cp "$WORK/data" "$f"
is_clean
release 1
empty() {
	[ -z "$(ls "$WORK/spill/blobs")" ]
}
wait_until 30 empty
unmount_batonfs
