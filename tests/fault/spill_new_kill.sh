#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on
# builds: ci
# The process is killed between any two steps by which a file comes to begin on the disk, is cut, or is written to where it
# was spilled, and while it is being written; another one takes its place: who writes notices nothing, every file has
# what was written, and nothing is left on the disk in the end. POINTS="draft-copied:2 draft-told:5 draft-marked:3 draft-cut:2" for more.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

STORE=memory:32M
mkdir "$WORK/spill"
head -c 500000 /dev/urandom >"$WORK/data"

cat >"$WORK/write.py" <<'PYTHON'
"""Files are written, read, cut and appended to; each call is to succeed, whoever is killed meanwhile."""
import os, sys

top, data = sys.argv[1], open(sys.argv[2], "rb").read()

def read(path):
    with open(path, "rb") as f:
        return f.read()

held = open(f"{top}/2/held", "wb", buffering=0)
for i in range(8):
    path = f"{top}/2/f{i}"
    held.write(data[i * 1000:(i + 1) * 1000])
    with open(path, "wb", buffering=0) as f:
        f.write(data)
        assert os.fstat(f.fileno()).st_size == len(data), path
    assert read(path) == data, path
    os.truncate(path, 1000)
    with open(path, "ab", buffering=0) as f:
        f.write(data[1000:])
    assert read(path) == data and os.stat(path).st_size == len(data), path
    with open(path, "wb", buffering=0) as f:
        assert os.fstat(f.fileno()).st_size == 0
        f.write(data[::-1])
    assert read(path) == data[::-1], path
    with open(f"{top}/1/old{i}", "ab", buffering=0) as f:  # in a blob so far
        f.write(b"more")
    assert read(f"{top}/1/old{i}") == data + b"more", i
    assert read(f"{top}/2/held") == data[:(i + 1) * 1000], i
held.close()
assert os.stat(f"{top}/2/held").st_size == 8000
PYTHON

is_short() {
	[ "$(status 'd["spill"]["short"]')" = True ]
}
old_are_spilled() {
	local i

	for i in {0..7}; do
		[ "$(about "$MNT/1/old$i" spilled)" = 1 ] || return
	done
}
empty() {
	[ -z "$(ls "$WORK/spill/blobs")" ]
}

for point in ${POINTS-draft-made:3}; do
	export BATONFS_FAULT=$point
	mount_batonfs -o "spill=$WORK/spill,takeover=on,dedup_min=64K,high=20%,low=10%"
	unset BATONFS_FAULT
	for i in 1 2; do # nothing is to be released for want of room
		mkdir -p "$MNT/$i"
		: >"$MNT/$i/mark"
		echo 1 >"$MNT/.baton/executions/$i/pinned"
	done
	for i in {0..7}; do # they share
		cp "$WORK/data" "$MNT/1/old$i" || fail cp
	done
	exec 9<>"$MNT/1/hold"
	head -c 8M /dev/zero >&9
	wait_until 30 is_short
	wait_until 30 old_are_spilled
	expect python3 "$WORK/write.py" "$MNT" "$WORK/data"
	[ "$(status 'd["takeovers"]')" -ge 1 ] || fail "$point is not passed"
	clean() {
		"$BATON" -m "$MNT" fsck >"$WORK/fsck"
	}
	wait_until 20 clean
	expect "$BATON" -m "$MNT" upgrade >/dev/null
	for i in {0..7}; do
		expect cmp <(cat "$WORK/data"; printf more) "$MNT/1/old$i"
		expect_eq 500000 "$(stat -c %s "$MNT/2/f$i")"
	done
	kill -9 "$(status 'd["worker"]')" # the first file of the next one is on the disk, too
	: >"$MNT/2/first"
	expect_eq 1 "$(about "$MNT/2/first" spilled)" "whether it begins on the disk"
	exec 9>&-
	release 1
	release 2
	wait_until 30 empty
	expect_eq "0 0" "$(status 'd["spill"]["contents"]') $(status 'd["spill"]["bytes"]')"
	unmount_batonfs
done

# ---- killed while what others share becomes a draft of its own, and somebody has it open as it was ----
BATONFS_FAULT=draft-marked mount_batonfs -o "spill=$WORK/spill,takeover=on,dedup_min=64K,high=20%,low=10%"
are_shared() {
	[ "$(about "$MNT/1/f" shared) $(about "$MNT/2/f" shared)" = "1 1" ]
}
for i in 1 2; do
	mkdir -p "$MNT/$i"
	: >"$MNT/$i/mark"
	echo 1 >"$MNT/.baton/executions/$i/pinned"
	expect cp "$WORK/data" "$MNT/$i/f"
done
wait_until 30 are_shared
exec 9<>"$MNT/1/hold"
head -c 8M /dev/zero >&9
wait_until 30 is_short
exec 8<"$MNT/1/f"
echo more >>"$MNT/1/f"
[ "$(status 'd["takeovers"]')" -ge 1 ] || fail "draft-marked is not passed"
expect cmp <(cat "$WORK/data"; echo more) "$MNT/1/f"
expect cmp "$WORK/data" "$MNT/2/f"
expect cmp "$WORK/data" - <&8
exec 8>&- 9>&-
wait_until 20 clean
release 1
release 2
wait_until 30 empty
unmount_batonfs
