#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-on
# builds: ci
#
# The kernel counts a name off when it has been told that it is gone. If it was told the attributes between that and
# the removal, by our asking for them a moment after a close, a file with a name has none for it, and link(2) of it
# fails.
. "$TESTS/lib/mount.sh"

refreshed() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["refreshed"])' "$MNT/.baton/status.json"
}

more_than() {
	[ "$(refreshed)" -gt "$1" ]
}

# Whatever was closed before is refreshed then, or will not be: the newest come first, and all of one round together.
two_rounds() {
	local i before

	for i in 1 2; do
		before=$(refreshed)
		echo >"$MNT/4712/other" # 4711 is locked
		wait_until 30 more_than "$before"
	done
}

export BATONFS_FAULT_WAIT=$WORK/wait
mount_batonfs

# removed_while_closed HOW: of a file with two names one is removed, and the file is closed before that is answered.
removed_while_closed() {
	echo one >"$MNT/4711/kept"
	expect ln "$MNT/4711/kept" "$MNT/4711/gone"
	exec 3<"$MNT/4711/kept"
	two_rounds
	echo name-gone >"$WORK/wait"
	"$@" 3<&- &
	remover=$!
	wait_until 10 grep -qs request_wait_answer "/proc/$remover/stack"
	read -r line <&3 # in passthrough: the kernel does not know the attributes any more; and cat(1) would ask for them
	expect_eq one "$line"
	exec 3<&-
	two_rounds
	rm "$WORK/wait"
	expect wait $remover
	expect ln "$MNT/4711/kept" "$MNT/4711/again"
	expect_eq 2 "$(stat -c %h "$MNT/4711/kept")" "names"
	rm "$MNT/4711/kept" "$MNT/4711/again"
}

removed_while_closed rm "$MNT/4711/gone"
echo >"$MNT/4711/another"
removed_while_closed python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$MNT/4711/another" "$MNT/4711/gone"
