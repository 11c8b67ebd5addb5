#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on memory-on
# builds: ci
# kill -9 while an execution's directory is made, before it is marked as batonfs's own: whoever waits for that gets what he
# asked for from the next worker, as others do; and after another start it vanishes as any that is empty. One that a client
# gave the name of an ID to stays what it is, also if that was just being done, to one of batonfs's own.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

is_reached() {
	[ ! -e "$WORK/hang" ]
}

# begin POINT ID: somebody writes, and the worker stands still at the point.
begin() {
	ino[$2]=$(stat -c %i "$MNT/$2")
	echo "$1" >"$WORK/hang"
	(umask 077 && echo x 2>/dev/null >"$MNT/$2/x") &
	writer[$2]=$!
	wait_until 10 is_reached
}

# shows NAME...: that is what is there.
shows() {
	[ "$(ls "$MNT" | tr '\n' ' ')" = "$*" ]
}

export BATONFS_FAULT_HANG=$WORK/hang
points=(dir-made dir-moded)

mount_batonfs -o takeover=on
for id in 0 1; do
	begin "${points[id]}" $id
	kill -9 "$(worker_pid)"
	expect wait "${writer[id]}"
	expect_eq "${ino[id]} 1777" "$(stat -c "%i %a" "$MNT/$id")" "${points[id]}: number and mode"
	expect run_as 1000 touch "$MNT/$id/y"
	rm -f "$MNT/$id/x" "$MNT/$id/y"
done
(wait_until 20 shows) || fail "still there: $(ls "$MNT")"
[ "$STORE_KIND" != memory ] || exit 0

mkdir "$MNT/made" "$MNT/full" && echo x >"$MNT/full/x"
expect mv -T "$MNT/made" "$MNT/2"
expect mv -T "$MNT/full" "$MNT/3"
begin dir-made 0
begin dir-moded 1
echo x >"$MNT/4/x"
ino[4]=$(stat -c %i "$MNT/4")
echo renamed >"$WORK/hang"
mv -T "$MNT/4" "$MNT/5" 2>/dev/null &
writer[4]=$!
wait_until 10 is_reached
kill_batonfs
wait "${writer[@]}"
mount_batonfs
expect_eq "${ino[*]}" "$(stat -c %i "$MNT/0" "$MNT/1" "$MNT/4" | tr '\n' ' ' | sed 's/ $//')" "numbers"
[ "$(stat -c %i "$MNT/5")" != "${ino[4]}" ] || fail "two directories, one number"
expect_eq "x " "$(ls "$MNT/5" | tr '\n' ' ')$(ls "$MNT/4")"
(wait_until 20 shows "2 3 5 ") || fail "there is: $(ls "$MNT")"
expect_eq 755 "$(stat -c %a "$MNT/2")"
