#!/bin/bash
# SPDX-License-Identifier: MIT
# The time of an execution counts from its last activity, whatever that was, and looking at it is none.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs

active() {
	why 4711 'd["now"]["active"]'
}

# acts NAME COMMAND...: it moves the time of the last activity on.
acts() {
	local name=$1 before
	shift
	before=$(active)
	wait_until 5 clock_beyond "$before"
	"$@" || fail "$*"
	wait_until 5 later_than "$before"
	expect_eq 3600.0 "$(why 4711 'round(d["now"]["expires"] - d["now"]["active"], 3)')" "$name"
}

clock_beyond() {
	python3 -c 'import sys, time; sys.exit(time.time() < float(sys.argv[1]) + 0.02)' "$1"
}

later_than() {
	python3 -c 'import sys; sys.exit(float(sys.argv[1]) <= float(sys.argv[2]))' "$(active)" "$1"
}

echo data >"$MNT/4711/file"
acts create touch "$MNT/4711/other"
acts open cat "$MNT/4711/file"
acts write sh -c "echo more >>$MNT/4711/file"
acts mkdir mkdir "$MNT/4711/dir"
acts rename mv "$MNT/4711/other" "$MNT/4711/dir"
acts link ln "$MNT/4711/file" "$MNT/4711/link"
acts unlink rm "$MNT/4711/link"
acts symlink ln -s file "$MNT/4711/link"
acts flat touch "$MNT/4711_flat"
exec 5<"$MNT/4711/file"
close5() {
	exec 5<&-
}
acts close close5
acts ttl sh -c "echo 1h >$MNT/.baton/executions/4711/ttl"
acts pin sh -c "echo 1 >$MNT/.baton/executions/4711/pinned; echo 0 >$MNT/.baton/executions/4711/pinned"

before=$(active)
wait_until 5 clock_beyond "$before"
ls -laR "$MNT" >/dev/null
stat "$MNT/4711/file" >/dev/null
about "$MNT/4711/file" expires >/dev/null
expect_eq "$before" "$(active)" "activity after looking"
